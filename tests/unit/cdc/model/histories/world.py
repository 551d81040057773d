"""One history: a source, capture, two sinks and everything that can happen to them, step by step.

Any list of steps is a history: a step that is not possible now does nothing. So a failing one can be shrunk
by leaving steps out.
"""

from __future__ import annotations

from collections.abc import Callable

from cdc.model.kept import ClickHouseTable, WarehouseTable
from tests.unit.cdc.model.histories import anew
from tests.unit.cdc.model.histories.capture import Connector, Topic
from tests.unit.cdc.model.histories.delivery import Sink, Spec
from tests.unit.cdc.model.histories.operations import Operations, Steps
from tests.unit.cdc.model.histories.rules import Rules
from tests.unit.cdc.model.histories.source import Source

Step = tuple[str, int, int]
"""A step's name and two small numbers that it may use."""
MOST_JOBS = 3


class World:
    """The parts, and a method for each kind of step."""

    def __init__(self, rules: Rules, partitions: int) -> None:
        self.rules = rules
        self.source, self.topic = Source(), Topic(partitions)
        self.connector = Connector(self.source, self.topic)
        self.act = Operations(rules, self.source, self.topic, self.connector)
        self.sinks = tuple(
            Sink(bits, table, [0] * partitions)
            for bits, table in ((5, rules.clickhouse()), (6, rules.warehouse()))
        )
        self.raise_fence(self.sinks[1])
        self.jobs: list[tuple[str, Sink, Steps]] = []
        self.looks: list[Steps] = []

    def raise_fence(self, sink: Sink) -> None:
        """A driver announces itself to a sink that has a fence."""
        if isinstance(sink.table, WarehouseTable):
            sink.table.raise_fence(sink.epoch)

    def run(self, steps: list[Step]) -> None:
        """Take the steps."""
        for name, a, b in steps:
            STEPS[name][0](self, a, b)

    def change(self, a: int, b: int) -> None:
        """One statement; mostly committed at once."""
        session, key, kind = b >> 7, a % 5, (a >> 3) % 8
        source = self.source
        if kind == 0 or key not in source.rows:
            source.insert(session, key)
        elif kind < 3:
            source.update(session, key)
        elif kind == 3:
            source.update_big(session, key)
        elif kind == 4:
            source.delete(session, key)
        elif kind == 5:
            source.update(session, key)
            source.update_big(session, key)
        else:
            source.rekey(session, key, b % 5, with_big=kind == 7)
        self._end(session, b)

    def spoil(self, a: int, b: int) -> None:
        """A value that one sink, or both, cannot hold; or an event that nobody can read."""
        spoilt = (1, 2, 3, 4)[(a >> 3) % 4]
        statement = self.source.update if a >> 6 & 1 else self.source.update_big
        statement(b >> 7, a % 5, spoilt)
        self._end(b >> 7, b)

    def truncate(self, a: int, b: int) -> None:
        """TRUNCATE, perhaps with an insert in the same transaction."""
        if not self.connector.snapshotting:
            self.source.truncate(b >> 7)
            for key in range(a % 4):
                self.source.insert(b >> 7, key)
            self._end(b >> 7, b)

    def reload(self, a: int, b: int) -> None:
        """Bulk delete and insert."""
        self.source.reload(b >> 7)
        self._end(b >> 7, b)

    def end(self, a: int, b: int) -> None:
        """End a transaction that was left open."""
        (self.source.rollback if a % 4 == 0 else self.source.commit)(b >> 7)

    def _end(self, session: int, b: int) -> None:
        if b >> 4 & 3:
            self.source.commit(session)

    def capture(self, a: int, b: int) -> None:
        """Start the connector, or let it deliver."""
        if self.connector.state == "new":
            self.connector.start(initial=a % 4 != 0)
        else:
            self.connector.step(1 + a % 6, b)

    def window(self, a: int, b: int) -> None:
        """One step of an incremental snapshot."""
        self.connector.window()

    def restart_connector(self, a: int, b: int) -> None:
        """It comes back where it was, or a little before."""
        self.connector.restart(a % 6 if b % 2 else 0)

    def retain(self, a: int, b: int) -> None:
        """Kafka drops what every reader has read. Long since, each insert under way has met its deadline."""
        for partition in range(len(self.topic.ends)):
            needed = [self._needed(sink, partition) for sink in self.sinks]
            if (a >> partition) & 1:
                self.topic.starts[partition] = max(self.topic.starts[partition], min(needed))
        if self.rules.deadline:
            for sink in self.sinks:
                sink.zombies.clear()

    def _needed(self, sink: Sink, partition: int) -> int:
        waiting = [table.offsets.get(partition, 0) for table in (sink.parked, sink.resuming) if table]
        return min([sink.committed[partition], *waiting])

    def deliver(self, a: int, b: int) -> None:
        """A few steps of a query's batch."""
        for _ in range(1 + (a >> 1) % 8):
            self.deliver_one(self.sinks[a & 1], b)

    def deliver_one(self, sink: Sink, b: int) -> None:
        if sink.batch is None:
            ends = self.topic.ends
            if sink.planned is None:
                if sink.committed == ends:
                    return
                begins = sink.committed
                share = b % 4
                ends = [x + (end - x + share) // (share + 1) for x, end in zip(begins, ends, strict=True)]
                sink.planned = ends
            sink.batch = self.act.batch(sink, sink.epoch, sink.committed, sink.planned)
        sink.batch.step()
        if sink.batch.done or sink.batch.dead:
            sink.batch = None

    def crash(self, a: int, b: int) -> None:
        """A driver dies; or its lease runs out and another takes over while it still writes."""
        sink = self.sinks[a & 1]
        sink.epoch += 1
        if sink.batch is not None and b & 1:
            sink.zombies = [*sink.zombies[-1:], sink.batch]
        sink.batch = None
        self.raise_fence(sink)

    def haunt(self, a: int, b: int) -> None:
        """A driver that lost its lease writes on."""
        sink = self.sinks[a & 1]
        for zombie in sink.zombies[:1]:
            for _ in range(1 + b % 6):
                zombie.step()
        sink.zombies = [zombie for zombie in sink.zombies if not (zombie.done or zombie.dead)]

    def from_the_beginning(self, a: int, b: int) -> None:
        """The checkpoint is gone: the topic is read again."""
        self.crash(a, b)
        sink = self.sinks[a & 1]
        sink.committed, sink.planned = list(self.topic.starts), None

    def work(self, a: int, b: int) -> None:
        """A few steps of a repair, a replay or a resume under way."""
        if self.jobs:
            self._work(a % len(self.jobs), 1 + b % 6)

    def _work(self, number: int, count: int) -> None:
        ended = object()
        for _ in range(count):
            if next(self.jobs[number][2], ended) is ended:
                del self.jobs[number]
                return

    def begin_job(self, a: int, b: int) -> None:
        """Begin a repair, a replay, a resume or a bounded run."""
        sink = self.sinks[a & 1]
        kind = ("repair", "replay", "resume", "reread")[(a >> 1) % 4]
        if len(self.jobs) >= MOST_JOBS or any(k == kind == "resume" and s is sink for k, s, _ in self.jobs):
            return
        if kind == "reread":
            ends = self.topic.ends
            begin = [
                start + (end - start) * (b & 7) // 8
                for start, end in zip(self.topic.starts, ends, strict=True)
            ]
            until = [x + (end - x + 1) // (1 + (b >> 3 & 1)) for x, end in zip(begin, ends, strict=True)]
            self.jobs.append((kind, sink, self.act.reread(sink, begin, until)))
        elif kind == "repair":
            if self.connector.state == "new" and self.rules.repairs_only_what_is_captured:
                return  # nothing would tell that the row changes before the slot exists
            self.jobs.append((kind, sink, self.act.repair(sink, b % 5)))
        else:
            self.jobs.append((kind, sink, getattr(self.act, kind)(sink)))

    def compare(self, a: int, b: int) -> None:
        """Go on with the comparisons of rows, and begin another."""
        ended = object()
        self.looks = [look for look in self.looks if next(look, ended) is not ended]
        if len(self.looks) < MOST_JOBS and self.connector.state != "new":
            self.looks.append(self.act.compare(self.sinks[a & 1], b % 5))

    def drop_job(self, a: int, b: int) -> None:
        """A bounded run is killed."""
        if self.jobs:
            del self.jobs[a % len(self.jobs)]

    def park(self, a: int, b: int) -> None:
        """Somebody parks the table."""
        sink = self.sinks[a & 1]
        sink.park(dict(enumerate(sink.committed)))

    def fix(self, a: int, b: int) -> None:
        """New code: what could not be held can be, derived columns differ; the topic is read again."""
        spec = Spec(self.sinks[0].spec.number + 1, self.source.value())
        for number, sink in enumerate(self.sinks):
            self.crash(number, 1)
            if self.rules.waits_for_the_old_spec and isinstance(sink.table, ClickHouseTable):
                # ClickHouse has no fence: the driver before has to have ended.
                sink.zombies.clear()
            sink.spec = spec
            sink.committed, sink.planned = list(self.topic.starts), None
        self.jobs = [job for job in self.jobs if not self.rules.waits_for_the_old_spec]

    def widen(self, a: int, b: int) -> None:
        """New code that holds every value so far and derives what the old code did: nothing is read again."""
        for number, sink in enumerate(self.sinks):
            self.crash(number, b)
            sink.spec = Spec(sink.spec.number, self.source.value())

    def upkeep(self, a: int, b: int) -> None:
        """ClickHouse's upkeep, perhaps after Kafka's retention has passed."""
        if a % 2:
            self.retain(15, 0)
        sink = self.sinks[0]
        table = sink.table
        if isinstance(table, ClickHouseTable):
            self.act.upkeep(sink, table, sum(s is sink for _, s, _ in self.jobs))

    def raise_generation(self, a: int, b: int) -> None:
        """A partition more, a topic made anew, or another source cluster."""
        anew.raise_generation(self, ("partition", "topic", "source")[a % 3])

    def renew(self, a: int, b: int) -> None:
        """A sink is added in the place of one."""
        anew.renew(self, a & 1)


STEPS: dict[str, tuple[Callable[[World, int, int], None], int]] = {
    "change": (World.change, 30),
    "spoil": (World.spoil, 6),
    "truncate": (World.truncate, 3),
    "reload": (World.reload, 1),
    "end": (World.end, 4),
    "capture": (World.capture, 24),
    "window": (World.window, 4),
    "restart_connector": (World.restart_connector, 2),
    "retain": (World.retain, 3),
    "deliver": (World.deliver, 30),
    "crash": (World.crash, 4),
    "haunt": (World.haunt, 4),
    "from_the_beginning": (World.from_the_beginning, 2),
    "work": (World.work, 12),
    "begin_job": (World.begin_job, 6),
    "drop_job": (World.drop_job, 1),
    "park": (World.park, 2),
    "fix": (World.fix, 1),
    "widen": (World.widen, 1),
    "upkeep": (World.upkeep, 4),
    "raise_generation": (World.raise_generation, 2),
    "compare": (World.compare, 0),
    "renew": (World.renew, 0),
}
"""Each kind of step and how often it comes; 0 for those that a script puts in by itself."""
