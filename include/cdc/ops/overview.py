"""The ops store as a screen reads it: newest batches by index, sums over time, and what happened when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.sql import SQL

from cdc.ops.history import HistoryStore
from cdc.ops.records import BatchProgress, Launch
from cdc.ops.store import OpsStore

_BUCKETS = """
    SELECT stream, sink, query,
      to_timestamp(floor(extract(epoch FROM finished_at) / %(bucket)s) * %(bucket)s) AS at,
      count(*) AS batches, sum(input_rows)::bigint AS input_rows, sum(inserted)::bigint AS inserted,
      sum(updated)::bigint AS updated, sum(deleted)::bigint AS deleted,
      sum(dead_letters)::bigint AS dead_letters, max(latency_ms) AS latency_ms,
      max(checkpoint_ms) AS checkpoint_ms,
      max(extract(epoch FROM finished_at - least(coalesce(max_source_ts, started_at), finished_at)))::float8
        AS lag_s
    FROM cdc_ops.progress WHERE query = ANY(%(queries)s) AND finished_at > %(since)s
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 4
"""
_TOTALS = """
    SELECT part.key AS "table", sink, count(*) AS batches,
      sum((part.value ->> 'inserted')::bigint)::bigint AS inserted,
      sum((part.value ->> 'updated')::bigint)::bigint AS updated,
      sum((part.value ->> 'deleted')::bigint)::bigint AS deleted,
      sum((part.value ->> 'dead_letters')::bigint)::bigint AS dead_letters,
      max(finished_at) AS last_at
    FROM cdc_ops.progress CROSS JOIN LATERAL jsonb_each(tables) AS part
    WHERE query = ANY(%(queries)s) AND finished_at > %(since)s GROUP BY 1, 2 ORDER BY 1, 2
"""
_LETTERS = """
    SELECT "table", sink, error_class, count(*) AS open, min(failed_at) AS first_at,
      max(failed_at) AS last_at,
      (array_agg(left(message, 300) ORDER BY failed_at DESC))[1] AS message
    FROM cdc_ops.dead_letters WHERE pipeline = %s AND replayed_at IS NULL
    GROUP BY 1, 2, 3 ORDER BY open DESC, 1, 2 LIMIT 50
"""
_EVENTS = """
    SELECT at, kind, text FROM (
      SELECT began_at AS at, 'incident' AS kind, sentence AS text FROM cdc_ops.incidents
        WHERE pipeline = %(pipeline)s
      UNION ALL
      SELECT over_at, 'over', ending FROM cdc_ops.incidents WHERE pipeline = %(pipeline)s
      UNION ALL
      SELECT at, 'restart', what || ' of connector ' || connector || ' restarted: ' || cause
        FROM cdc_ops.connector_restarts WHERE pipeline = %(pipeline)s
      UNION ALL
      SELECT launched_at, 'launch', 'stream ' || stream || ': driver ' || coalesce(application_id, '')
        || ' launched' FROM cdc_ops.streams WHERE pipeline = %(pipeline)s
      UNION ALL
      SELECT failed_at, 'failure', 'stream ' || stream || ': ' || failure
        FROM cdc_ops.streams WHERE pipeline = %(pipeline)s AND failure IS NOT NULL
      UNION ALL
      SELECT desired_at, 'stop', 'stream ' || stream || CASE desired
        WHEN 'paused' THEN ': paused' ELSE ': a stop was requested' END
        FROM cdc_ops.streams WHERE pipeline = %(pipeline)s AND desired IN ('stopped', 'paused')
      UNION ALL
      SELECT parked_at, 'parked', "table" || ' parked in ' || sink || ': ' || reason
        FROM cdc_ops.parked WHERE pipeline = %(pipeline)s
      UNION ALL
      SELECT min(failed_at), 'dead letter', count(*) || ' event(s) of ' || "table"
        || ' could not be written to ' || sink
        FROM cdc_ops.dead_letters WHERE pipeline = %(pipeline)s AND failed_at > %(since)s
        GROUP BY "table", sink, date_trunc('minute', failed_at)
      UNION ALL
      SELECT applied_at, 'applied', 'table ' || "table" || ' applied' FROM cdc_ops.applied_tables
        WHERE pipeline = %(pipeline)s
      UNION ALL
      SELECT finished_at, 'difference', "table" || ' differed from the source'
        FROM cdc_ops.reconciliations WHERE pipeline = %(pipeline)s AND NOT equal
      UNION ALL
      SELECT started_at, 'run', kind || ' of ' || "table" || ' began'
        FROM cdc_ops.bounded_runs WHERE pipeline = %(pipeline)s
      UNION ALL
      SELECT finished_at, CASE state WHEN 'failed' THEN 'failed run' ELSE 'run' END,
        kind || ' of ' || "table" || ': ' || state
        FROM cdc_ops.bounded_runs WHERE pipeline = %(pipeline)s
      UNION ALL
      SELECT created_at, 'not told', 'a message could not be delivered: ' || subject
        FROM cdc_ops.deliveries WHERE pipeline = %(pipeline)s AND delivered_at IS NULL AND attempts > 0
    ) AS every WHERE at > %(since)s ORDER BY at DESC LIMIT %(limit)s
"""


@dataclass(frozen=True)
class Bucket:
    """The batches of one query that ended in one stretch of time.

    Attributes:
        at: when the stretch begins.
        latency_ms, checkpoint_ms, lag_s: the largest of its batches.
    """

    stream: str
    sink: str
    query: str
    at: datetime
    batches: int
    input_rows: int
    inserted: int
    updated: int
    deleted: int
    dead_letters: int
    latency_ms: float
    checkpoint_ms: float
    lag_s: float


@dataclass(frozen=True)
class TableTotals:
    """What was written of one table to one sink."""

    table: str
    sink: str
    batches: int
    inserted: int
    updated: int
    deleted: int
    dead_letters: int
    last_at: datetime


@dataclass(frozen=True)
class OpenLetters:
    """Open dead letters of one kind; `message` is the newest one's."""

    table: str
    sink: str
    error_class: str
    open: int
    first_at: datetime
    last_at: datetime
    message: str


@dataclass(frozen=True)
class Parked:
    """A parked table, with the time."""

    table: str
    sink: str
    reason: str
    parked_at: datetime
    released: bool


@dataclass(frozen=True)
class Reconciled:
    """The newest comparison of one table."""

    table: str
    finished_at: datetime
    equal: bool


@dataclass(frozen=True)
class PastEvent:
    """Something that happened, in words."""

    at: datetime
    kind: str
    text: str


class OverviewStore(HistoryStore, OpsStore):
    """Reads by index only, so that a screen may ask every few seconds."""

    def newest_batches(self, queries: Sequence[str]) -> dict[str, BatchProgress]:
        """The newest batch of each query that has one."""
        found = (self.progress_history(query, limit=1) for query in queries)
        return {batch.query: batch for batches in found for batch in batches}

    def seen_at(self, queries: Sequence[str]) -> dict[str, datetime]:
        """The last word of each query."""
        statement = "SELECT query, touched_at FROM cdc_ops.queries WHERE query = ANY(%s)"
        return {row["query"]: row["touched_at"] for row in self.rows(statement, (list(queries),))}

    def launches(self, pipeline: str) -> dict[str, Launch]:
        """The last submission of each stream."""
        statement = SQL(
            "SELECT pipeline, stream, desired, desired_at, application_id, spec_hash, launched_at, failure, "
            "failed_at, waiting_since FROM cdc_ops.streams WHERE pipeline = %s"
        )
        return {row["stream"]: Launch(**row) for row in self.rows(statement, (pipeline,))}

    def buckets(self, queries: Sequence[str], since: datetime, bucket_s: int) -> list[Bucket]:
        """The batches since then, summed over stretches of `bucket_s` seconds."""
        values = {"queries": list(queries), "since": since, "bucket": bucket_s}
        return [Bucket(**row) for row in self.rows(_BUCKETS, values)]

    def table_totals(self, queries: Sequence[str], since: datetime) -> list[TableTotals]:
        """What was written since then, by table and sink."""
        return [TableTotals(**row) for row in self.rows(_TOTALS, {"queries": list(queries), "since": since})]

    def open_letters(self, pipeline: str) -> list[OpenLetters]:
        """Open dead letters by table, sink and error, the most numerous first."""
        return [OpenLetters(**row) for row in self.rows(_LETTERS, (pipeline,))]

    def parked_since(self, pipeline: str) -> list[Parked]:
        """Parked tables with the time."""
        statement = (
            'SELECT "table", sink, reason, parked_at, released_at IS NOT NULL AS released '
            'FROM cdc_ops.parked WHERE pipeline = %s ORDER BY "table", sink'
        )
        return [Parked(**row) for row in self.rows(statement, (pipeline,))]

    def reconciled(self, pipeline: str) -> list[Reconciled]:
        """The newest comparison of each whole table."""
        statement = (
            'SELECT DISTINCT ON ("table") "table", finished_at, equal FROM cdc_ops.reconciliations '
            "WHERE pipeline = %s AND report ->> 'window' IS NULL "
            'ORDER BY "table", id DESC'
        )
        return [Reconciled(**row) for row in self.rows(statement, (pipeline,))]

    def past_events(self, pipeline: str, since: datetime, limit: int = 100) -> list[PastEvent]:
        """Incidents, launches, parked tables, dead letters, runs and differences since then, newest first."""
        values = {"pipeline": pipeline, "since": since, "limit": limit}
        return [PastEvent(**row) for row in self.rows(_EVENTS, values)]
