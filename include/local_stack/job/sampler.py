"""Takes samples of a running pipeline; a side that does not answer is a gap in the sample, not an error."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from cdc.clients.clickhouse import connect_clickhouse
from cdc.connections import Connections
from cdc.ddl.columns import quote_ch, rows_of_view
from cdc.model.samples import Offsets
from cdc.ops import BatchProgress, OpsStore
from cdc.services.reach import kafka_of
from cdc.spec import ClickHouseSink, Pipeline, SinkSpec, TableSpec
from local_stack.job.sample import Sample, SinkSample, TableSample, measure_lag

READ_TIMEOUT_S = 10
T = TypeVar("T")


class Sampler:
    """Keeps a connection to each side of a pipeline and counts.

    Args:
        pipeline: the pipeline to watch.
        connections: where its sides are.
        states: the state of each stream by name, asked at each sample.
    """

    def __init__(
        self, pipeline: Pipeline, connections: Connections, states: Callable[[], dict[str, str]]
    ) -> None:
        """Nothing is asked before the first sample."""
        self._pipeline, self._connections, self._states = pipeline, connections, states
        self._ops = OpsStore(connections.get(pipeline.ops.connection))
        self._kafka = kafka_of(pipeline, connections)
        self._postgres: dict[str, psycopg.Connection[Any]] = {}
        self._clickhouse: dict[str, Any] = {}
        self._problems: dict[str, str] = {}

    def close(self) -> None:
        """Close every connection."""
        self._ops.close()
        for connection in self._postgres.values():
            connection.close()
        for client in self._clickhouse.values():
            client.close()

    def take(self) -> Sample:
        """One sample; takes a few milliseconds when all sides answer."""
        self._problems = {}
        states = self._ask("streams", self._states) or {}
        progress = self._ask("ops store", lambda: self._ops.latest_progress(self._pipeline.name)) or []
        by_query = {entry.query: entry for entry in progress}
        ends = self._ask("Kafka", self.end_offsets)
        now = datetime.now(UTC)
        tables = tuple(
            self._table(table, by_query, ends, now, states.get(table.stream, ""))
            for table in self._pipeline.tables
        )
        return Sample(now, tables, tuple(f"{side}: {text}" for side, text in self._problems.items()))

    def end_offsets(self) -> Offsets:
        """The end of each table's topic, without transactions that are still open."""
        topics = [self._pipeline.topic(table) for table in self._pipeline.tables]
        return self._kafka.end_offsets(topics)

    def committed(self) -> dict[str, Offsets]:
        """Where each query's next batch begins, by query."""
        return {p.query: p.until_offsets for p in self._ops.latest_progress(self._pipeline.name)}

    def _table(
        self,
        table: TableSpec,
        progress: dict[str, BatchProgress],
        ends: Offsets | None,
        now: datetime,
        state: str,
    ) -> TableSample:
        stream = self._pipeline.stream(table.stream)
        sinks = {}
        for sink in self._pipeline.sinks:
            entry = progress.get(stream.query_name(sink.name))
            behind, lag_s = measure_lag(
                self._pipeline.topic(table),
                entry.until_offsets if entry else None,
                ends,
                entry.max_source_ts if entry else None,
                now,
            )
            sinks[sink.name] = SinkSample(self._sink_rows(sink, table), behind, lag_s)
        return TableSample(table.source, table.name, table.stream, state, self._source_rows(table), sinks)

    def _source_rows(self, table: TableSpec) -> int | None:
        connection = self._pipeline.source.admin_connection
        relation = (table.schema_name, table.table_name)
        return self._ask("source", lambda: self._count_postgres(connection, relation))

    def _sink_rows(self, sink: SinkSpec, table: TableSpec) -> int | None:
        view, what = sink.view(table.name), rows_of_view(table)
        if isinstance(sink, ClickHouseSink):
            return self._ask(sink.name, lambda: self._count_clickhouse(sink.connection, view, what))
        return self._ask(sink.name, lambda: self._count_postgres(sink.connection, view, what))

    def _count_postgres(
        self, connection_id: str, relation: tuple[str, str], what: str = "count(*)"
    ) -> int | None:
        session = self._postgres.get(connection_id)
        if session is None or session.closed:
            dsn = self._connections.get(connection_id).dsn(connect_timeout=READ_TIMEOUT_S)
            session = psycopg.connect(dsn, autocommit=True, application_name="cdc-run")
            self._postgres[connection_id] = session
        query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(what), sql.Identifier(*relation))
        row = session.execute(query).fetchone()
        return None if row is None else int(row[0])

    def _count_clickhouse(self, connection_id: str, view: tuple[str, str], what: str) -> int:
        if connection_id not in self._clickhouse:
            self._clickhouse[connection_id] = connect_clickhouse(self._connections.get(connection_id))
        name = ".".join(map(quote_ch, view))
        query = f"SELECT {what} FROM {name}"  # noqa: S608 - identifiers are quoted
        return int(self._clickhouse[connection_id].command(query))

    def _ask(self, side: str, question: Callable[[], T]) -> T | None:
        """Ask, unless this side has failed in this sample already."""
        if side in self._problems:
            return None
        try:
            return question()
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, the screen goes on
            self._problems[side] = _first_line(error)
        return None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
