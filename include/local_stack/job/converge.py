"""Waits until the sinks hold what the source holds, and proves it by a full comparison.

Three things in turn, each measured: Debezium has confirmed everything up to now to its replication slot;
every query has committed up to the topics' ends of that moment; every row and column is equal. The first two
say when comparing begins to make sense; only the third one counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg

from cdc.comparison.report import CompareReport
from cdc.connections import Connections
from cdc.errors import TransientError
from cdc.model.samples import Offsets, lag
from cdc.ops import OpsStore
from cdc.services.compare import compare
from cdc.services.effective import effective_pipeline
from cdc.spec import Pipeline
from local_stack.job.sampler import Sampler

POLL_S = 1.0
STALL_S = 10.0
SAY_EVERY_S = 10.0
_CONFIRMED = """
SELECT confirmed_flush_lsn >= %s::pg_lsn, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)
FROM pg_replication_slots WHERE slot_name = %s"""

Say = Callable[[str], None]


@dataclass
class Convergence:
    """The wait for one pipeline.

    Attributes:
        pipeline: the pipeline.
        connections: where its sides are.
        sampler: reads end offsets and committed offsets.
        say: told what is being waited for.
        timeout_s: how long differences may stay while nothing moves any more.
        clock, sleep: as in `time`.
    """

    pipeline: Pipeline
    connections: Connections
    sampler: Sampler
    say: Say
    timeout_s: float = 240.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def wait(self) -> CompareReport:
        """Return the comparison: equal, or what still differed when nothing moved for `timeout_s`."""
        self._wait_for_slot()
        deadline = self.clock() + self.timeout_s
        last_behind: int | None = None
        while True:
            behind = self._wait_for_offsets()
            report = self._compare()
            if report is not None and report.equal:
                return report
            if behind != last_behind:
                last_behind, deadline = behind, self.clock() + self.timeout_s
            if self.clock() > deadline:
                return report if report is not None else self._compared()
            self.say(_still(report))
            self.sleep(3 * POLL_S)

    def _wait_for_slot(self) -> None:
        """Wait until the slot's confirmed position has passed the end of the WAL as it is now."""
        deadline, told = self.clock() + self.timeout_s, 0.0
        target: str | None = None
        while self.clock() < deadline:
            try:
                target = target or self._ask("SELECT pg_current_wal_insert_lsn()::text", ())[0]
                row = self._ask(_CONFIRMED, (target, self.pipeline.source.slot))
            except (psycopg.OperationalError, TypeError):
                self.sleep(POLL_S)
                continue
            if row[0]:
                return
            if self.clock() - told > SAY_EVERY_S:
                told = self.clock()
                self.say(f"Debezium is {int(row[1]):,} bytes of WAL behind the source")
            self.sleep(POLL_S)
        self.say("Debezium has not confirmed the last changes; comparing all the same")

    def _ask(self, query: str, params: tuple[str, ...]) -> tuple[str, ...]:
        dsn = self.connections.get(self.pipeline.source.admin_connection).dsn(connect_timeout=5)
        with psycopg.connect(dsn) as connection:
            row = connection.execute(query, params).fetchone()
        if row is None:
            raise TypeError(f"the source has no replication slot {self.pipeline.source.slot!r} yet")
        return tuple(row)

    def _wait_for_offsets(self) -> int | None:
        """Wait until no query is behind, or none has moved for a while; returns how far they are behind."""
        best: int | None = None
        moved = told = self.clock()
        while True:
            behind = self._behind()
            if behind == 0:
                return 0
            if behind is not None and (best is None or behind < best):
                best, moved = behind, self.clock()
            if self.clock() - moved > STALL_S:
                return behind
            if self.clock() - told > SAY_EVERY_S and behind is not None:
                told = self.clock()
                self.say(f"the sinks are {behind:,} events behind")
            self.sleep(POLL_S)

    def _behind(self) -> int | None:
        try:
            ends, committed = self.sampler.end_offsets(), self.sampler.committed()
        except TransientError:
            return None
        return behind_of(self.pipeline, committed, ends)

    def _compared(self) -> CompareReport:
        with OpsStore(self.connections.get(self.pipeline.ops.connection)) as ops:
            pipeline = effective_pipeline(self.pipeline, ops)
        return compare(pipeline, self.connections)

    def _compare(self) -> CompareReport | None:
        try:
            return self._compared()
        except TransientError as error:
            self.say(f"not comparable yet: {error}")
            return None


def behind_of(pipeline: Pipeline, committed: Mapping[str, Offsets], ends: Offsets) -> int:
    """Events that all queries of a pipeline together have not committed."""
    return sum(
        lag(
            committed.get(stream.query_name(sink.name), {}),
            {topic: ends[topic] for t in stream.tables if (topic := pipeline.topic(t)) in ends},
        )
        for stream in pipeline.streams
        for sink in pipeline.sinks
    )


def _still(report: CompareReport | None) -> str:
    if report is None:
        return "a side does not answer yet; comparing again"
    parts = [f"{table.name} {table.differences}" for table in report.tables if not table.equal]
    return f"differences left: {', '.join(parts)}; comparing again"
