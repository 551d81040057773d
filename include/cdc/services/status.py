"""What `cdc status` shows: for each table of a pipeline where it is, and how its queries are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

import psycopg
from clickhouse_connect.driver.exceptions import ClickHouseError

from cdc.clients.clickhouse import connect_clickhouse
from cdc.clients.postgres import connect_postgres
from cdc.clients.yarn import Application
from cdc.connections import Connections
from cdc.ddl.columns import quote_ch, rows_of_view
from cdc.errors import CdcError
from cdc.model.desired import Desired
from cdc.model.incidents import Incident
from cdc.model.parking import ParkedTable
from cdc.model.samples import ConnectorSample, Offsets, lag
from cdc.model.watermark import Watermark
from cdc.ops import BatchProgress, Delivery, Launch, OpsStore
from cdc.services.health import sample_connector
from cdc.services.reach import kafka_of, yarn_of
from cdc.spec import ClickHouseSink, Pipeline, StreamSpec, TableSpec

State = Literal["running", "starting", "stopped", "paused", "parked", "failed"]
COUNT_TIMEOUT_S = 5


@dataclass(frozen=True)
class Compared:
    """The last reconciliation of a table."""

    at: datetime
    settled: bool


@dataclass(frozen=True)
class TableStatus:
    """One table.

    Attributes:
        clickhouse, warehouse: the qualified views that readers use; None without such a sink.
        reason: why it is not running; empty when it is.
        connector: the connector's state, such as RUNNING.
        backlog: events in the topic that the slowest sink has not written yet; None when not known.
        query: the names of its queries.
        last_batch: when the slowest sink last finished a batch.
        rows: rows at the source and in each sink; None where they could not be counted in time.
        watermark: what the table is complete up to in every sink, as it was last proven; None where that is
            not known, or the last look proved nothing.
        compared: when it was last compared with the source, and whether nothing differed or was left.
    """

    table: str
    source: str
    clickhouse: str | None
    warehouse: str | None
    state: State
    reason: str
    connector: str
    backlog: int | None
    query: tuple[str, ...]
    last_batch: datetime | None
    rows: Mapping[str, int | None]
    watermark: str | None = None
    compared: Compared | None = None


@dataclass(frozen=True)
class PipelineStatus:
    """Every table of a pipeline.

    Attributes:
        incidents: what is wrong now.
        undelivered: what people were to be told lately and were not.
    """

    pipeline: str
    tables: tuple[TableStatus, ...]
    incidents: tuple[Incident, ...] = ()
    undelivered: tuple[Delivery, ...] = ()

    def to_json(self) -> str:
        """The tables as JSON."""
        return json.dumps(asdict(self), indent=2, default=str)


@dataclass(frozen=True)
class StreamFacts:
    """What is known of a stream; `applications` is None when YARN could not be asked."""

    launch: Launch | None
    applications: Sequence[Application] | None
    progress: Sequence[BatchProgress]
    parked: Sequence[ParkedTable]


def status(pipeline: Pipeline, connections: Connections, *, count_rows: bool = True) -> PipelineStatus:
    """Ask everything that can be asked; what does not answer leaves its fields empty.

    Raises:
        UnavailableError: the ops store does not answer.
    """
    connector = sample_connector(pipeline, connections)
    with OpsStore(connections.get(pipeline.ops.connection)) as ops:
        ops.ensure_schema()
        facts = {s.name: _facts(pipeline, s, connections, ops) for s in pipeline.streams}
        compared = ops.last_reconciliations(pipeline.name)
        proven = ops.watermarks(pipeline.name)
        incidents = ops.incidents(pipeline.name, only_open=True)
        undelivered = [one for one in ops.undelivered(pipeline.name, lately=True) if one.error]
    ends = _ends(pipeline, connections)
    rows = count_all(pipeline, connections) if count_rows else {}
    return PipelineStatus(
        pipeline.name,
        tuple(
            replace(
                _table(pipeline, table, connector, facts[table.stream], ends, rows.get(table.name, {})),
                compared=_compared(compared.get(table.name)),
                watermark=common_watermark(table.name, proven, len(pipeline.sinks)),
            )
            for table in pipeline.tables
        ),
        tuple(incidents),
        tuple(undelivered),
    )


def stream_state(table: TableSpec, facts: StreamFacts, sinks: int) -> tuple[State, str]:
    """The state of one table's stream, and why it is so."""
    parked = [item for item in facts.parked if item.table == table.name]
    if parked:
        return "parked", "; ".join(f"in {item.sink}: {item.reason}" for item in parked)
    launch, live = facts.launch, facts.applications
    if live is None:
        return ("running", "YARN was not asked") if facts.progress else ("stopped", "YARN does not answer")
    if live:
        if len(facts.progress) >= sinks and (launch is None or _since(launch, facts.progress)):
            return "running", ""
        return "starting", f"{live[0].id} is {live[0].state} and waits for its first batch"
    if launch is not None and launch.desired == Desired.PAUSED:
        return "paused", f"since {launch.desired_at:%Y-%m-%d %H:%M} UTC; its offsets are kept"
    if launch is not None and launch.failure:
        return "failed", launch.failure
    if launch is not None and launch.desired == Desired.STOPPED:
        return "stopped", "a stop was requested"
    if launch is None or launch.application_id is None:
        return "stopped", "never launched: run the stream's DAG or `cdc stream start`"
    return "failed", f"{launch.application_id} has ended: see its log, then run the stream's DAG"


def common_watermark(table: str, proven: Sequence[Watermark], sinks: int) -> str | None:
    """The lowest of a table's watermarks; None when one of its sinks has none."""
    own = [watermark for watermark in proven if watermark.table == table and watermark.holds]
    return min(own, key=lambda watermark: watermark.lsn or 0).text if len(own) >= sinks else None


def _since(launch: Launch, progress: Sequence[BatchProgress]) -> bool:
    # An attempt that YARN started again keeps its launch; progress before it still shows that it worked.
    return launch.launched_at is None or any(p.finished_at >= launch.launched_at for p in progress)


def _facts(pipeline: Pipeline, stream: StreamSpec, connections: Connections, ops: OpsStore) -> StreamFacts:
    try:
        yarn = yarn_of(connections)
        applications: Sequence[Application] | None = yarn.applications(tags=[stream.app_name])
    except CdcError:
        applications = None
    return StreamFacts(
        ops.launch(pipeline.name, stream.name),
        applications,
        ops.latest_progress(pipeline.name, stream.name),
        ops.parked(pipeline.name),
    )


def _table(
    pipeline: Pipeline,
    table: TableSpec,
    connector: ConnectorSample,
    facts: StreamFacts,
    ends: Offsets,
    rows: Mapping[str, int | None],
) -> TableStatus:
    state, reason = stream_state(table, facts, len(pipeline.sinks))
    stream = pipeline.stream(table.stream)
    views: dict[str, str] = {}
    for sink in pipeline.sinks:
        kind = "clickhouse" if isinstance(sink, ClickHouseSink) else "warehouse"
        views.setdefault(kind, ".".join(sink.view(table.name)))
    return TableStatus(
        table=table.name,
        source=table.source,
        clickhouse=views.get("clickhouse"),
        warehouse=views.get("warehouse"),
        state=state,
        reason=reason,
        connector=connector.state or connector.unreachable or "not registered",
        backlog=backlog(pipeline.topic(table), facts.progress, ends, len(pipeline.sinks)),
        query=tuple(stream.query_name(sink.name) for sink in pipeline.sinks),
        last_batch=min((p.finished_at for p in facts.progress), default=None),
        rows={name: rows.get(name) for name in ("source", "clickhouse", "warehouse")},
    )


def _compared(report: Mapping[str, Any] | None) -> Compared | None:
    return None if report is None else Compared(report["finished_at"], report["report"]["settled"])


def backlog(topic: str, progress: Sequence[BatchProgress], ends: Offsets, sinks: int) -> int | None:
    """Offsets of a topic that the slowest sink has not passed; None when the end is not known."""
    if topic not in ends:
        return None
    wanted = {topic: ends[topic]}
    behind = [lag({topic: p.until_offsets.get(topic, {})}, wanted) for p in progress]
    behind += [lag({}, wanted)] * (sinks - len(progress))
    return max(behind, default=0)


def _ends(pipeline: Pipeline, connections: Connections) -> Offsets:
    try:
        kafka = kafka_of(pipeline, connections)
        return kafka.end_offsets([pipeline.topic(table) for table in pipeline.tables])
    except CdcError:
        return {}


def count_all(pipeline: Pipeline, connections: Connections) -> dict[str, dict[str, int | None]]:
    """Rows of every table at the source and in the first sink of each kind; None where it takes too long."""
    counts: dict[str, dict[str, int | None]] = {table.name: {} for table in pipeline.tables}
    sources = {table.name: (table.schema_name, table.table_name) for table in pipeline.tables}
    counted = {table.name: rows_of_view(table) for table in pipeline.tables}
    _merge(counts, "source", _count_postgres(connections, pipeline.source.admin_connection, sources))
    for sink in reversed(pipeline.sinks):
        views = {table.name: sink.view(table.name) for table in pipeline.tables}
        if isinstance(sink, ClickHouseSink):
            _merge(counts, "clickhouse", _count_clickhouse(connections, sink.connection, views, counted))
        else:
            _merge(counts, "warehouse", _count_postgres(connections, sink.connection, views, counted))
    return counts


def _merge(counts: dict[str, dict[str, int | None]], where: str, found: Mapping[str, int | None]) -> None:
    for table, rows in counts.items():
        rows[where] = found.get(table)


def _count_postgres(
    connections: Connections,
    connection_id: str,
    names: Mapping[str, tuple[str, str]],
    counted: Mapping[str, str] | None = None,
) -> dict[str, int | None]:
    """Rows by table, by an aggregate of its own where one is given."""
    counts: dict[str, int | None] = {}
    try:
        with connect_postgres(
            connections.get(connection_id), autocommit=True, statement_timeout_s=COUNT_TIMEOUT_S
        ) as connection:
            for table, name in names.items():
                counts[table] = _count_one(connection, name, (counted or {}).get(table, "count(*)"))
    except (CdcError, psycopg.OperationalError):
        return counts
    return counts


def _count_one(connection: psycopg.Connection[Any], name: tuple[str, str], what: str) -> int | None:
    statement = psycopg.sql.SQL("SELECT {} FROM {}").format(
        psycopg.sql.SQL(what), psycopg.sql.Identifier(*name)
    )
    try:
        row = connection.execute(statement).fetchone()
    except (psycopg.errors.QueryCanceled, psycopg.errors.UndefinedTable):
        return None
    return int(row[0]) if row else None


def _count_clickhouse(
    connections: Connections,
    connection_id: str,
    names: Mapping[str, tuple[str, str]],
    counted: Mapping[str, str] | None = None,
) -> dict[str, int | None]:
    """Rows by table, by an aggregate of its own where one is given."""
    counts: dict[str, int | None] = {}
    try:
        client = connect_clickhouse(
            connections.get(connection_id), settings={"max_execution_time": COUNT_TIMEOUT_S}
        )
    except (CdcError, ClickHouseError):
        return counts
    for table, (database, view) in names.items():
        try:
            what = (counted or {}).get(table, "count(*)")
            result = client.query(f"SELECT {what} FROM {quote_ch(database)}.{quote_ch(view)}")  # noqa: S608
            counts[table] = int(result.result_rows[0][0])
        except ClickHouseError:
            counts[table] = None
    client.close()
    return counts
