"""Looks at what became of the tables: waits for the queries, compares, merges ClickHouse's parts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Self

import psycopg
from clickhouse_connect.driver.client import Client
from psycopg.sql import SQL, Identifier

from cdc.clients.clickhouse import connect_clickhouse, query_errors
from cdc.clients.kafka import KafkaClient
from cdc.clients.postgres import connect_postgres
from cdc.comparison.report import TableReport
from cdc.ddl.clickhouse import raw_name
from cdc.errors import CdcError, ConflictError
from cdc.ops import OpsStore
from cdc.services.compare import compare_table
from cdc.services.effective import effective_pipeline
from cdc.spec import ClickHouseSink, Pipeline, TableSpec
from cdc.spec.names import split_qualified
from local_stack.cases.outcome import TableFacts
from local_stack.cases.place import STREAM, Place
from local_stack.job.converge import behind_of

POLL_S = 0.25
# A driver may need minutes to start on a busy machine; one that said why it cannot go on is not waited for.
STALL_S = 300.0
FAILED_S = 30.0
AGAIN = 4
AGAIN_AFTER_S = 1.5
EXAMPLES = 5
COMPARED_AT_ONCE = 4


class Checks:
    """Reads the delivery's sinks, topics and ops store; a context manager."""

    def __init__(self, place: Place) -> None:
        """Nothing is asked before it is needed."""
        self._place, self._connections = place, place.connections()
        self._ops = OpsStore(self._connections.get("cdc_ops"))
        self._kafka = KafkaClient(self._connections.get("cdc_kafka").bootstrap_servers())

    def __enter__(self) -> Self:
        """Nothing to do yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what was opened."""
        self._ops.close()

    def wait_carried(self) -> str:
        """Wait until every query has committed up to the topics' ends as they are now.

        Returns:
            Why it did not come to that, or an empty text.
        """
        pipeline = self._place.pipeline()
        ends = self._kafka.end_offsets(self._topics(pipeline))
        best, moved = -1, time.monotonic()
        while time.monotonic() - moved < STALL_S:
            committed = {p.query: p.until_offsets for p in self._ops.latest_progress(pipeline.name)}
            behind = behind_of(pipeline, committed, ends)
            if behind == 0:
                return ""
            if best < 0 or behind < best:
                best, moved = behind, time.monotonic()
            if time.monotonic() - moved > FAILED_S and self._failure():
                break
            time.sleep(POLL_S)
        stalled = f"the stream stays {best:,} events behind for {time.monotonic() - moved:.0f} s"
        return f"{stalled}: {self._failure() or 'the driver has not said why'}"

    def batches(self) -> dict[str, int]:
        """How many batches with events each query has made."""
        stream = self._place.stream()
        return {
            query: sum(entry.input_rows > 0 for entry in self._ops.progress_history(query))
            for sink in self._place.pipeline().sinks
            for query in [stream.query_name(sink.name)]
        }

    def signals(self) -> int:
        """How many signals there are: what Debezium was asked for, and its own for each chunk of rows."""
        source = self._place.pipeline().source
        count = SQL("SELECT count(*) FROM {}").format(Identifier(*split_qualified(source.signal_table)))
        with connect_postgres(self._connections.get(source.admin_connection)) as session:
            row = session.execute(count).fetchone()
        return int(row[0]) if row else 0

    def want_stream(self) -> None:
        """Take the request to stop back, which a driver in the foreground obeys too."""
        self._ops.request_run(self._place.name, STREAM)

    def look(self, tables: Iterable[str]) -> dict[str, TableFacts]:
        """Facts about tables by their name at the source; one that differs is looked at again a few times."""
        facts = self._facts(tables)
        for _ in range(AGAIN):
            unsettled = [name for name, found in facts.items() if _may_settle(found)]
            if not unsettled:
                break
            time.sleep(AGAIN_AFTER_S)
            facts |= self._facts(unsettled)
        return facts

    def optimize(self, tables: Sequence[str]) -> None:
        """`OPTIMIZE … FINAL` of the tables in ClickHouse."""
        self._each_raw(tables, lambda client, _, raw: client.command(f"OPTIMIZE TABLE {raw} FINAL"))

    def clean_up(self, tables: Sequence[str]) -> None:
        """Move the log's start to its end, so that no tombstone can be needed again, then remove tombstones.

        Raises:
            ConflictError: a tombstone is not behind the log's start, and CLEANUP is not permitted.
        """
        pipeline = self._place.pipeline()
        topics = [pipeline.topic(pipeline.table(name)) for name in tables]
        self._kafka.delete_records(topics)
        earliest = self._kafka.earliest_offsets(topics)

        def clean(client: Client, table: TableSpec, raw: str) -> None:
            if table.changelog:  # keeps every event, so it has no tombstones
                return
            starts = earliest[pipeline.topic(table)]
            after = " OR ".join(f"(_partition = {p} AND _offset >= {start})" for p, start in starts.items())
            needed = client.command(f"SELECT count() FROM {raw} WHERE _is_deleted = 1 AND ({after})")  # noqa: S608
            if int(str(needed)):
                raise ConflictError(f"{raw}: {needed} tombstones are not behind the log's start {starts}")
            client.command(f"OPTIMIZE TABLE {raw} FINAL CLEANUP")

        self._each_raw(tables, clean)

    def make_topic(self, table: str, partitions: int) -> None:
        """Make a table's topic before `cdc apply` does, with another number of partitions."""
        pipeline = self._place.pipeline()
        retention_ms = pipeline.kafka.retention_hours * 3_600_000
        self._kafka.create_topic(pipeline.topic(pipeline.table(table)), partitions, retention_ms)

    def _facts(self, names: Iterable[str]) -> dict[str, TableFacts]:
        pipeline = effective_pipeline(self._place.pipeline(), self._ops)
        tables = {name: pipeline.table(name) for name in names}
        parked = self._ops.parked(pipeline.name)
        # Comparing is half waiting for the three sides.
        with ThreadPoolExecutor(COMPARED_AT_ONCE) as threads:
            compared = dict(
                zip(tables, threads.map(partial(self._compare, pipeline), tables.values()), strict=True)
            )
        return {
            name: TableFacts(
                table.source,
                {entry.sink: entry.reason for entry in parked if entry.table == table.name},
                self._letters(pipeline, table),
                *compared[name],
                sinks=tuple(sink.name for sink in pipeline.sinks),
            )
            for name, table in tables.items()
        }

    def _letters(self, pipeline: Pipeline, table: TableSpec) -> dict[str, tuple[int, str]]:
        letters = {}
        for sink in pipeline.sinks:
            if count := self._ops.open_dead_letters(pipeline.name, table.name, sink.name):
                [first] = self._ops.dead_letters(pipeline.name, table.name, sink.name, limit=1)
                letters[sink.name] = (count, first.message)
        return letters

    def _compare(self, pipeline: Pipeline, table: TableSpec) -> tuple[TableReport | None, str]:
        try:
            return compare_table(pipeline, self._connections, table, limit=EXAMPLES), ""
        except (CdcError, psycopg.Error) as error:
            return None, f"cannot be compared: {' '.join(str(error).split())}"

    def _each_raw(self, tables: Sequence[str], action: Any) -> None:
        pipeline = self._place.pipeline()
        for sink in pipeline.sinks:
            if not isinstance(sink, ClickHouseSink):
                continue
            connection = self._connections.get(sink.connection)
            with query_errors(connection):
                client = connect_clickhouse(connection, send_receive_timeout_s=120)
                try:
                    for name in tables:
                        table = pipeline.table(name)
                        action(client, table, raw_name(sink, table))
                finally:
                    client.close()

    def _failure(self) -> str:
        launch = self._ops.launch(self._place.name, STREAM)
        return (launch.failure if launch else None) or ""

    def _topics(self, pipeline: Pipeline) -> list[str]:
        return [pipeline.topic(table) for table in pipeline.tables]


def _may_settle(facts: TableFacts) -> bool:
    if facts.report is None:
        return facts.unknown
    return not (facts.parked or facts.letters or facts.report.equal)
