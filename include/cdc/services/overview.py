"""What the dashboard shows, read from the ops store and the components. Nothing is judged here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from clickhouse_connect.driver.exceptions import ClickHouseError

from cdc.clients.clickhouse import connect_clickhouse
from cdc.clients.postgres import connect_postgres
from cdc.clients.yarn import Application
from cdc.connections import Connections
from cdc.errors import CdcError
from cdc.model.bounded_run import BoundedRun
from cdc.model.desired import Desired
from cdc.model.incidents import Incident
from cdc.model.lag import LastBatch, QueryView
from cdc.model.overview import SinkSample
from cdc.model.samples import Offsets, QuerySample, lag
from cdc.model.watermark import Watermark
from cdc.ops import BatchProgress, Launch
from cdc.ops.history import Report, Told
from cdc.ops.maintenance import MaintenanceReport
from cdc.ops.overview import (
    Bucket,
    OpenLetters,
    OverviewStore,
    Parked,
    PastEvent,
    Reconciled,
    TableTotals,
)
from cdc.services.reach import kafka_of, yarn_of
from cdc.spec import ClickHouseSink, Pipeline, SinkSpec, StreamSpec

Place = tuple[str, str]
"""Stream and sink."""


@dataclass(frozen=True)
class OpsFacts:
    """The present, as the ops store has it; by query, by stream, by table. `incidents` are open ones."""

    batches: Mapping[str, BatchProgress]
    seen_at: Mapping[str, datetime]
    launches: Mapping[str, Launch]
    parked: Sequence[Parked]
    letters: Sequence[OpenLetters]
    watermarks: Sequence[Watermark]
    reconciled: Sequence[Reconciled]
    incidents: Sequence[Incident] = ()


@dataclass(frozen=True)
class RecordFacts:
    """What the ops store has of incidents, comparisons, upkeep and bounded runs, newest first.

    Attributes:
        incidents: open ones first, then some that are over.
        told: messages about them, and all that did not get there.
        maintenance: the last upkeep at each place.
    """

    incidents: Sequence[Incident] = ()
    told: Sequence[Told] = ()
    runs: Sequence[BoundedRun] = ()
    reports: Sequence[Report] = ()
    maintenance: Sequence[MaintenanceReport] = ()


@dataclass(frozen=True)
class PastFacts:
    """A stretch of time, as the ops store has it."""

    since: datetime
    until: datetime
    bucket_s: int
    buckets: Sequence[Bucket]
    totals: Sequence[TableTotals]
    events: Sequence[PastEvent]


def query_names(pipeline: Pipeline) -> dict[Place, str]:
    """Every query of the pipeline."""
    return {(s.name, k.name): s.query_name(k.name) for s in pipeline.streams for k in pipeline.sinks}


def read_present(pipeline: Pipeline, store: OverviewStore) -> OpsFacts:
    """What the ops store knows now.

    Raises:
        UnavailableError: it does not answer.
        ConfigurationError: it has no schema yet.
    """
    queries = list(query_names(pipeline).values())
    return OpsFacts(
        batches=store.newest_batches(queries),
        seen_at=store.seen_at(queries),
        launches=store.launches(pipeline.name),
        parked=store.parked_since(pipeline.name),
        letters=store.open_letters(pipeline.name),
        watermarks=store.watermarks(pipeline.name),
        reconciled=store.reconciled(pipeline.name),
        incidents=store.incidents(pipeline.name, only_open=True),
    )


def read_records(pipeline: Pipeline, store: OverviewStore) -> RecordFacts:
    """What the ops store has of incidents, comparisons, upkeep and bounded runs.

    Raises:
        UnavailableError: it does not answer.
    """
    incidents = store.incidents(pipeline.name, limit=30)
    return RecordFacts(
        incidents,
        store.told(pipeline.name, [one.id for one in incidents if one.id is not None]),
        store.bounded_runs(pipeline.name),
        store.reports(pipeline.name),
        store.last_maintenance(pipeline.name),
    )


def read_past(
    pipeline: Pipeline, store: OverviewStore, window: timedelta, bucket_s: int, *, detail: bool
) -> PastFacts:
    """What happened in the window that ends now.

    Args:
        pipeline: the pipeline.
        store: the ops store.
        window: how far back.
        bucket_s: seconds of one stretch; the window begins at a whole one.
        detail: tables and events too.

    Raises:
        UnavailableError: the ops store does not answer.
    """
    until = datetime.now(UTC)
    first = (until - window).timestamp() // bucket_s * bucket_s
    since = datetime.fromtimestamp(first, UTC)
    queries = list(query_names(pipeline).values())
    return PastFacts(
        since,
        until,
        bucket_s,
        store.buckets(queries, since, bucket_s),
        store.table_totals(queries, since) if detail else (),
        store.past_events(pipeline.name, since) if detail else (),
    )


def query_views(pipeline: Pipeline, facts: OpsFacts, ends: Offsets | None, at: datetime) -> list[QueryView]:
    """Every query, with where it is in its topics.

    Args:
        pipeline: the pipeline.
        facts: what the ops store knows.
        ends: the topics' end offsets, None when Kafka was not asked.
        at: when the facts were read.
    """
    return [
        _query_view(pipeline, stream, sink.name, facts, ends, at)
        for stream in pipeline.streams
        for sink in pipeline.sinks
    ]


def _query_view(
    pipeline: Pipeline, stream: StreamSpec, sink: str, facts: OpsFacts, ends: Offsets | None, at: datetime
) -> QueryView:
    query = stream.query_name(sink)
    batch, launch, seen = facts.batches.get(query), facts.launches.get(stream.name), facts.seen_at.get(query)
    own = (
        {topic: ends[topic] for t in stream.tables if (topic := pipeline.topic(t)) in ends} if ends else None
    )
    backlog = None if own is None else lag(batch.until_offsets if batch else {}, own)
    names = {table.name for table in stream.tables}
    sample = QuerySample(
        query,
        at,
        wanted=launch is None or Desired(launch.desired).wants_driver,
        paused_at=launch.desired_at if launch and launch.desired == Desired.PAUSED else None,
        launched_at=launch.launched_at if launch else None,
        waiting_since=launch.waiting_since if launch else None,
        seen_at=seen,
        offsets_behind=backlog if backlog is not None else batch.offsets_behind if batch else None,
        parked=tuple(p.table for p in facts.parked if p.sink == sink and p.table in names),
    )
    last = LastBatch(batch.started_at, batch.finished_at, batch.max_source_ts) if batch else None
    return QueryView(stream.name, sink, sample, last, seen, backlog)


def read_ends(pipeline: Pipeline, connections: Connections) -> Offsets:
    """The end offsets of the pipeline's topics.

    Raises:
        UnavailableError: Kafka does not answer.
    """
    kafka = kafka_of(pipeline, connections, timeout_s=3)
    return kafka.end_offsets([pipeline.topic(table) for table in pipeline.tables])


def read_applications(pipeline: Pipeline, connections: Connections) -> dict[str, Application]:
    """The newest live application of each stream.

    Raises:
        UnavailableError: YARN does not answer.
    """
    yarn = yarn_of(connections, timeout_s=3)
    by_tag = {stream.app_name.lower(): stream.name for stream in pipeline.streams}
    found = yarn.applications(tags=[stream.app_name for stream in pipeline.streams])
    return {
        by_tag[tag.lower()]: application
        for application in found
        for tag in application.tags
        if tag.lower() in by_tag
    }


def sample_sink(sink: SinkSpec, connections: Connections) -> SinkSample:
    """Whether a sink answers a question that costs it nothing."""
    try:
        connection = connections.get(sink.connection)
        if isinstance(sink, ClickHouseSink):
            client = connect_clickhouse(connection, send_receive_timeout_s=3)
            client.command("SELECT 1")
            client.close()
        else:
            with connect_postgres(connection, autocommit=True, statement_timeout_s=3) as opened:
                opened.execute("SELECT 1")
    except (CdcError, ClickHouseError, psycopg.Error, OSError) as error:
        return SinkSample(sink.name, datetime.now(UTC), _cause(error))
    return SinkSample(sink.name, datetime.now(UTC))


def _cause(error: BaseException) -> str:
    """The innermost cause, since drivers wrap it in addresses and retries."""
    while error.__context__ is not None:
        error = error.__context__
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
