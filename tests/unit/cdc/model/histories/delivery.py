"""Delivery: batches of a query from the topic into one sink, each small enough a step to crash after."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from cdc.errors import FencedError
from cdc.model.events import EFFECTS, Effect
from cdc.model.floors import Floor, floor_of
from cdc.model.kept import ClickHouseTable, Entry, Kept, WarehouseTable
from cdc.model.ledger import Range
from cdc.model.parking import ParkedTable, merged, should_park, skip
from cdc.model.version import generation_of
from tests.unit.cdc.model.histories.capture import TOPIC, Record, Topic
from tests.unit.cdc.model.histories.filling import Origin, Question, Value
from tests.unit.cdc.model.histories.rules import Rules
from tests.unit.cdc.model.histories.source import Change, Source

UNREADABLE = 4
"""The bit of a spoilt value that makes the whole event unreadable, its key too."""


class Spec(NamedTuple):
    """The deployed code: its number is in every row that it derives; values up to `known` are no problem."""

    number: int
    known: int


@dataclass
class Letter:
    """A dead letter; `key` is None when the event was not readable."""

    record: Record
    version: int
    key: int | None
    open: bool = True


class Gone(NamedTuple):
    """What a task remembers of a key that was deleted: the delete, and the value before it."""

    version: int
    lsn: int
    before: object


class Repaired(NamedTuple):
    """What a task remembers of a key whose row comes from the source: the generation of the event."""

    generation: int


UNKNOWN = object()
"""Of a key in a task: an event of it could not be read."""


@dataclass
class Sink:
    """A sink's table with what its query and the ops store know."""

    bits: int
    table: ClickHouseTable | WarehouseTable
    committed: list[int]
    spec: Spec = field(default_factory=lambda: Spec(0, 0))
    epoch: int = 1
    batch: Batch | None = None
    planned: list[int] | None = None
    zombies: list[Batch] = field(default_factory=list)
    letters: dict[tuple[int, int, int], Letter] = field(default_factory=dict)
    parked: ParkedTable | None = None
    resuming: ParkedTable | None = None

    def doubtful(self) -> frozenset[int | None]:
        """The keys with an open dead letter; None stands for every key."""
        return frozenset(letter.key for letter in self.letters.values() if letter.open)

    def cannot_hold(self, small: int, spec: Spec) -> bool:
        """Whether a value becomes a dead letter."""
        return bool(small & self.bits) and small > spec.known

    def park(self, offsets: dict[int, int]) -> None:
        """Park the table; what is being resumed is not read twice, so it counts as parked."""
        wanted = ParkedTable("t", "s", "", offsets)
        for before in (self.parked, self.resuming):
            wanted = merged(before, wanted) if before else wanted
        self.parked, self.resuming = wanted, None


class Batch:
    """A stretch of records on its way; `step` goes one step further.

    Args:
        epoch: the writer's; None for a bounded run.
        records: by partition.
        begin: where the stretch begins in each partition.
        until: what is acknowledged at the end.
    """

    def __init__(
        self,
        rules: Rules,
        source: Source,
        topic: Topic,
        sink: Sink,
        epoch: int | None,
        records: dict[int, list[Record]],
        begin: list[int],
        until: list[int],
        *,
        versions: dict[Record, int] | None = None,
    ) -> None:
        self._rules, self._source, self._topic, self._sink = rules, source, topic, sink
        self.epoch, self.records, self._begin, self.until = epoch, records, begin, until
        self._versions = versions
        self._newest = topic.newest
        self._spec = sink.spec
        # A bounded run reads the parked table too: that is what it is for.
        self._parked = sink.parked if epoch is not None else None
        self._doubt: set[int | None] = set(sink.doubtful()) if rules.letters_make_doubt else set()
        self._all_doubtful = None in self._doubt or (rules.resuming_makes_doubt and sink.resuming is not None)
        self._reads_ahead = versions is None and epoch is None and rules.reading_ahead_makes_doubt
        self._begins = dict(enumerate(sink.committed))
        self.bad: list[Record] = []
        self.judged = 0
        self.done = self.dead = False
        self._stages = self._run()

    def step(self) -> None:
        """One step further; a step that has to wait does nothing."""
        next(self._stages, None)

    def _run(self):
        for partition in sorted(self.records):
            self._rows: list[Entry] = []
            self._floors: list[Floor] = []
            self._wanted: dict[int, Record] = {}
            self._memory: dict[int, object] = {}
            self._ahead = self._reads_ahead and self._is_ahead(partition)
            for record in self.records[partition]:
                self._read(record)
            yield
            if self._wanted:
                yield from self._repair()
            yield from self._write(partition)
        if not self._rules.letters_before_commit:
            self._acknowledge()
            yield
        self._keep_bad()
        yield
        self._acknowledge()

    def _read(self, record: Record) -> None:
        change = record.change
        effect = EFFECTS[change.op or None]
        if effect is Effect.NOTHING:
            return
        if self._parked is not None and skip(record.offset, record.partition, self._parked):
            return
        self.judged += 1
        version = self._version(record)
        key = change.key
        if effect is Effect.FLOOR or key is None:
            self._floors.append(floor_of(version, change.lsn))
        elif effect is Effect.TOMBSTONE:
            self._rows.append((key, Kept(version, True, change.lsn, record.partition, None)))
            self._memory[key] = Gone(version, change.lsn, self._memory.get(key))
        elif self._sink.cannot_hold(change.small, self._spec):
            self._spoil(record, key)
        else:
            self._upsert(record, key, version)

    def _is_ahead(self, partition: int) -> bool:
        """Whether a bounded run begins where the query, or a parked table, has not come to."""
        waiting = self._sink.parked
        reached = self._sink.committed[partition]
        reached = min(reached, waiting.offsets.get(partition, 0)) if waiting else reached
        return self._begin[partition] > reached

    def _spoil(self, record: Record, key: int) -> None:
        self.bad.append(record)
        self._memory[key] = UNKNOWN
        if record.change.small & UNREADABLE:
            # Which key it was cannot be told.
            self._memory.clear()
            self._all_doubtful = True

    def _upsert(self, record: Record, key: int, version: int) -> None:
        change = record.change
        big = change.big
        if big is None:
            filled = self._fill(change, key, version)
            if filled is Origin.SUPERSEDED:
                return
            if filled is Origin.SOURCE:
                self._wanted[key] = record
                self._memory[key] = Repaired(generation_of(version))
                return
            big = filled
        self._memory[key] = Value(big, change.lsn, version)
        values = (change.small, big, self._spec.number)
        self._rows.append((key, Kept(version, False, change.lsn, record.partition, values)))

    def _fill(self, change: Change, key: int, version: int) -> int | Origin:
        stored = self._sink.table.newest(key)
        last = self._memory.get(key)
        if change.old is not None:
            last, before = self._of_old_key(change)
            gone = self._memory.get(change.old)
            since = gone.version if isinstance(gone, Gone) else version
        else:
            since = version
            before = None if isinstance(last, Gone) else stored
        if isinstance(last, Repaired) and change.old is None and last.generation == generation_of(version):
            return Origin.SUPERSEDED
        keys = {key, change.old}
        unknown = last is UNKNOWN or isinstance(last, Repaired)
        doubtful = self._ahead or self._all_doubtful or unknown or bool(keys - {None} & self._doubt)
        remembered = last if isinstance(last, Value) else None
        question = Question(version, since, change.lsn, stored, remembered, before, doubtful)
        return self._rules.fill(question, self._sink.table.floor)

    def _of_old_key(self, change: Change) -> tuple[object, Kept | None]:
        """What is known of the old key's row: nothing, unless its delete is the one of this change."""
        stored = self._sink.table.newest(change.old)
        gone = self._memory.get(change.old) if change.old is not None else None
        if not self._rules.old_row_needs_its_delete:
            return (gone.before if isinstance(gone, Gone) else gone), stored
        if not isinstance(gone, Gone) or gone.lsn != change.lsn:
            return None, None
        if gone.before is not None or stored is None or stored.version >= gone.version:
            return gone.before, None
        return None, stored

    def _repair(self):
        """Rows from the source: the generation first, then the ends of the events' partitions.

        A batch knows the generations since it began; a replay asks for them now, those of its letters being
        others'.
        """
        ends, rows = {}, {}
        if self._versions is not None:
            self._newest = self._topic.newest
            yield
        for step in ("ends", "rows") if self._rules.ends_before_row else ("rows", "ends"):
            if step == "ends":
                ends = {key: self._topic.ends[record.partition] for key, record in self._wanted.items()}
            else:
                while not self._source.readable:
                    yield
                rows = {key: self._source.rows.get(key) for key in self._wanted}
                lsn = self._source.next_lsn()
            yield
        if not self._rules.generations_before_row:
            self._newest = self._topic.newest
        for key, row in rows.items():
            record = self._wanted[key]
            if row is not None and self._sink.cannot_hold(row[0], self._spec):
                self.bad.append(record)
            elif row is not None:
                version = self._rules.source_version(self._version(record), self._newest, ends[key])
                values = (*row, self._spec.number)
                self._rows.append((key, Kept(version, False, lsn, record.partition, values)))

    def _write(self, partition: int):
        table = self._sink.table
        if isinstance(table, WarehouseTable):
            until = [Range(TOPIC, partition, 0, self.until[partition])] if self.epoch is not None else []
            try:
                table.write(self._rows, self._floors, until, self.epoch)
            except FencedError:
                self.dead = True
                while True:
                    yield
        else:
            if self._floors:
                table.insert((), self._floors)
                yield
            table.insert(self._rows)
        yield

    def _keep_bad(self) -> None:
        if self.epoch is not None and should_park(len(self.bad), self.judged):
            bad: dict[int, int] = {}
            for record in self.bad:
                bad.setdefault(record.partition, record.offset)
            ends = dict(enumerate(self.until))
            self._sink.park({**self._begins, **bad} if self._rules.parks_from_the_first_bad else ends)
            return
        for record in self.bad:
            key = None if record.change.small & UNREADABLE else record.change.key
            place = (record.life, record.partition, record.offset)
            if place not in self._sink.letters:
                self._sink.letters[place] = Letter(record, self._version(record), key)

    def _acknowledge(self) -> None:
        self.done = True
        sink = self._sink
        if self.epoch is not None and self.epoch == sink.epoch:
            sink.committed, sink.planned = list(self.until), None

    def _version(self, record: Record) -> int:
        return self._versions[record] if self._versions else self._rules.version(self._topic, record)
