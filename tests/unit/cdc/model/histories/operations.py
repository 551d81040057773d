"""What people and the scheduler do beside the streams: repairs, replays, resuming, bounded runs, upkeep."""

from __future__ import annotations

from collections.abc import Iterator

from cdc.model.kept import ClickHouseTable, Kept
from cdc.model.parking import ParkedTable, resume_from
from cdc.model.reconcile import Fence, Verdict, fence_version, judge
from tests.unit.cdc.model.histories.capture import TOPIC, Connector, Topic
from tests.unit.cdc.model.histories.delivery import Batch, Letter, Sink
from tests.unit.cdc.model.histories.ending import DifferentError
from tests.unit.cdc.model.histories.rules import Rules
from tests.unit.cdc.model.histories.source import Change, Source, Window

Steps = Iterator[None]
"""An operation under way; `next` goes one step further."""


class Operations:
    """Each is a generator, so that a history can stop it, or crash it, after any step."""

    def __init__(self, rules: Rules, source: Source, topic: Topic, connector: Connector) -> None:
        self.rules, self.source, self.topic, self.connector = rules, source, topic, connector

    def batch(self, sink: Sink, epoch: int | None, begin: list[int], until: list[int]) -> Batch:
        """A batch over a stretch of the topic."""
        partitions = range(len(until))
        records = {p: self.topic.read(p, begin[p], until[p]) for p in partitions if begin[p] < until[p]}
        return Batch(self.rules, self.source, self.topic, sink, epoch, records, begin, until)

    def repair(self, sink: Sink, key: int) -> Steps:
        """Write a row as the source has it now: the key's partition, generations, end offset, row, write."""
        partition, partitions = self.topic.partition_of(key), len(self.topic.ends)
        yield
        generations, end, row, lsn = self.topic.generations, 0, None, 0
        for step in ("end", "row") if self.rules.ends_before_row else ("row", "end"):
            if step == "end":
                end = self.topic.ends[partition]
                if self.rules.repairs_in_the_keys_partition and len(self.topic.ends) != partitions:
                    return  # the key may live elsewhere now
            else:
                while not self.source.readable:
                    yield
                row, lsn = self.source.rows.get(key), self.source.next_lsn()
            yield
        if not self.rules.generations_before_row:
            generations = self.topic.generations
        version = self.rules.repair_version(generations.of(TOPIC, partition, end), end)
        if row is not None and sink.cannot_hold(row[0], sink.spec):
            return
        values = None if row is None else (*row, sink.spec.number)
        written = [(key, Kept(version, row is None, lsn, partition, values))]
        if isinstance(sink.table, ClickHouseTable):
            sink.table.insert(written)
        else:
            sink.table.write(written)

    def compare(self, sink: Sink, key: int) -> Steps:
        """Look at a row as a reconciliation does; what it proves to differ must be wrong.

        Raises:
            DifferentError: nothing was wrong.
        """
        life, partition = self.topic.life, self.topic.partition_of(key)
        begin = self._fence(partition)
        yield
        while not self.source.readable:
            yield
        row, log, position = self.source.rows.get(key), self.source.log, len(self.source.log)
        yield
        while self.rules.compares_what_is_captured and not self.connector.has_delivered(position):
            yield
        ends = list(self.topic.ends)
        while any(written < end for written, end in zip(sink.committed, ends, strict=False)):
            yield
        stored, seen = sink.table.newest(key), sink.table.view().get(key)
        yield
        if life != self.topic.life or partition != self.topic.partition_of(key):
            return
        ceiling = self._fence(partition)
        same = (seen[:2] if seen else None) == row
        verdict = judge(stored.version if stored else None, Fence(begin, ceiling), same=same)
        yield
        if verdict in (Verdict.REAL, Verdict.FOREIGN) and not (
            self._lacks_events(sink) or self._is_touched(key, log, position)
        ):
            raise DifferentError(f"false alarm, {verdict}: key {key} shows {seen}, the source had {row}")

    def _fence(self, partition: int) -> int:
        end = self.topic.ends[partition]
        return fence_version(self.topic.generation(partition, end), end)

    def _is_touched(self, key: int, log: list[Change | Window], position: int) -> bool:
        """Whether the row was changed after this position of this cluster's log, as its xmin says."""
        since = self.source.log[position:]
        touched = self.source.log is not log or any(
            not isinstance(entry, Window) and entry.key in (key, None) for entry in since
        )
        return touched and self.rules.compares_twice_with_the_source

    def _lacks_events(self, sink: Sink) -> bool:
        """Whether the sink may differ from the source for good, until somebody mends that."""
        return bool(sink.parked or sink.resuming or sink.doubtful() or self.connector.suspect)

    def replay(self, sink: Sink) -> Steps:
        """Write the dead letters with their own versions, each for itself; then mark them."""
        letters = sorted(
            (letter for letter in sink.letters.values() if letter.open), key=lambda letter: letter.version
        )
        groups = [[letter] for letter in letters] if self.rules.letters_one_by_one else [letters]
        for group in groups:
            yield from self._replay(sink, group)

    def _replay(self, sink: Sink, letters: list[Letter]) -> Steps:
        records: dict[int, list] = {}
        for letter in letters:
            records.setdefault(letter.record.partition, []).append(letter.record)
        versions = {letter.record: letter.version for letter in letters}
        if not self.rules.letters_keep_versions:
            versions = dict.fromkeys(versions, max(self.topic.earliest().values()) + 200)
        if not self.rules.marks_after_write:
            for letter in letters:
                letter.open = False
            yield
        batch = Batch(self.rules, self.source, self.topic, sink, None, records, [], [], versions=versions)
        while not batch.done:
            batch.step()
            yield
        for letter in letters:
            letter.open = letter.record in batch.bad

    def resume(self, sink: Sink) -> Steps:
        """Read again from where the table was parked, un-park it, then read what came in between.

        Until that is done an event of the running query may come before one that is still to be read again.
        """
        if sink.parked is not None:
            first = sink.parked
            ends = list(self.topic.ends)
            yield from self._reread(sink, first, ends)
            if sink.parked is not first:
                return
            sink.parked, sink.resuming = None, ParkedTable("t", "s", "", dict(enumerate(ends)))
            yield
        if sink.resuming is None:
            return
        waiting = sink.resuming
        if self.rules.reads_what_came_while_resuming:
            yield from self._reread(sink, waiting, list(self.topic.ends))
        if sink.resuming is waiting:
            sink.resuming = None

    def _reread(self, sink: Sink, waiting: ParkedTable, until: list[int]) -> Steps:
        begins = resume_from(waiting, range(len(until)))
        yield from self.reread(sink, [begins[p] for p in range(len(until))], until)

    def reread(self, sink: Sink, begin: list[int], until: list[int]) -> Steps:
        """A bounded run over any stretch, with the original versions."""
        batch = self.batch(sink, None, begin, until)
        while not batch.done:
            batch.step()
            yield

    def upkeep(self, sink: Sink, table: ClickHouseTable, repairs: int) -> None:
        """OPTIMIZE; then delete tombstones behind the horizon, or CLEANUP when all are behind it."""
        held = [(x.record.partition, x.version) for x in sink.letters.values() if x.open]
        horizon = self.rules.horizons(self.topic.earliest(), held)
        if self.rules.optimizes_before_deleting:
            table.optimize()
        table.delete_truncated()
        if self.rules.cleanup_permitted(table.tombstones(), horizon, repairs):
            table.cleanup()
        elif not repairs:
            table.delete_tombstones(horizon)
