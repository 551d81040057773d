"""Progress of batches, and the sign of life of queries that have nothing to do."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

from psycopg.rows import DictRow
from psycopg.sql import SQL, Identifier, Placeholder
from psycopg.types.json import Jsonb

from cdc.ops.base import OpsDatabase
from cdc.ops.records import BatchProgress

_FIELDS = tuple(field.name for field in dataclasses.fields(BatchProgress))
_JSON = ("until_offsets", "end_offsets", "tables")
_COLUMNS = SQL(", ").join(map(Identifier, _FIELDS))
_INSERT = SQL("INSERT INTO cdc_ops.progress ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
    _COLUMNS, SQL(", ").join(map(Placeholder, _FIELDS))
)


class ProgressStore(OpsDatabase):
    """What the queries have done."""

    def record_progress(self, progress: BatchProgress) -> None:
        """Keep one batch; the same batch again changes nothing."""
        values: dict[str, Any] = {name: getattr(progress, name) for name in _FIELDS}
        values |= {name: Jsonb(values[name]) for name in _JSON}
        self.rows(_INSERT, values)
        self.touch_query(progress.query, progress.finished_at)

    def touch_query(self, query: str, at: datetime) -> None:
        """The query lives and had nothing to do: "no new data" is not "dead"."""
        self.rows(
            "INSERT INTO cdc_ops.queries (query, touched_at) VALUES (%s, %s) ON CONFLICT (query) "
            "DO UPDATE SET touched_at = greatest(queries.touched_at, excluded.touched_at)",
            (query, at),
        )

    def touched_at(self, query: str) -> datetime | None:
        """The query's last batch or last sign of life."""
        row = self.one("SELECT touched_at FROM cdc_ops.queries WHERE query = %s", (query,))
        return row["touched_at"] if row else None

    def latest_progress(
        self, pipeline: str, stream: str | None = None, sink: str | None = None
    ) -> list[BatchProgress]:
        """The newest batch of each query of the pipeline, or of one stream, or of one sink."""
        statement = SQL(
            "SELECT DISTINCT ON (query) {} FROM cdc_ops.progress WHERE pipeline = %(pipeline)s "
            "AND (%(stream)s::text IS NULL OR stream = %(stream)s) "
            "AND (%(sink)s::text IS NULL OR sink = %(sink)s) "
            "ORDER BY query, finished_at DESC, batch_id DESC"
        ).format(_COLUMNS)
        rows = self.rows(statement, {"pipeline": pipeline, "stream": stream, "sink": sink})
        return [_progress(row) for row in rows]

    def read_until(self, pipeline: str, sink: str, but: str = "") -> dict[str, dict[int, int]]:
        """Up to where the pipeline's queries have read each topic into a sink, without one of them."""
        until: dict[str, dict[int, int]] = {}
        for progress in self.latest_progress(pipeline, sink=sink):
            if progress.query != but:
                for topic, partitions in progress.until_offsets.items():
                    known = until.setdefault(topic, {})
                    known |= {p: max(offset, known.get(p, 0)) for p, offset in partitions.items()}
        return until

    def progress_history(self, query: str, limit: int = 100) -> list[BatchProgress]:
        """The newest batches of a query, newest first."""
        statement = SQL(
            "SELECT {} FROM cdc_ops.progress WHERE query = %s ORDER BY finished_at DESC, batch_id DESC "
            "LIMIT %s"
        ).format(_COLUMNS)
        return [_progress(row) for row in self.rows(statement, (query, limit))]


def _progress(row: DictRow) -> BatchProgress:
    values = dict(row)
    for name in ("until_offsets", "end_offsets"):
        # JSON has only text as a key.
        values[name] = {topic: {int(p): o for p, o in parts.items()} for topic, parts in row[name].items()}
    return BatchProgress(**values)
