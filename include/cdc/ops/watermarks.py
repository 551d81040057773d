"""Watermarks as they were last proven, and the days that were built on them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from psycopg.rows import DictRow

from cdc.model.watermark import Watermark
from cdc.ops.base import OpsDatabase

_COLUMNS = 'pipeline, "table", sink, lsn, complete_until, proven_at, doubt'


class WatermarkStore(OpsDatabase):
    """What each table is complete up to in each sink."""

    def record_watermarks(self, found: Iterable[Watermark], at: datetime) -> None:
        """Keep what a look at `at` proved; of a look that proved nothing only the doubt is kept.

        A look that began before the one that is stored changes nothing.
        """
        with self.transaction() as connection:
            for one in found:
                connection.execute(
                    'INSERT INTO cdc_ops.watermarks AS known (pipeline, "table", sink, lsn, complete_until, '
                    "proven_at, doubt, looked_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) "
                    'ON CONFLICT (pipeline, "table", sink) DO UPDATE '
                    "SET lsn = coalesce(excluded.lsn, known.lsn), "
                    "complete_until = CASE WHEN excluded.lsn IS NULL THEN known.complete_until "
                    "ELSE excluded.complete_until END, "
                    "proven_at = coalesce(excluded.proven_at, known.proven_at), "
                    "doubt = excluded.doubt, looked_at = excluded.looked_at "
                    "WHERE known.looked_at <= excluded.looked_at",
                    (
                        one.pipeline, one.table, one.sink, one.lsn, one.complete_until, one.proven_at,
                        one.doubt, at,
                    ),
                )  # fmt: skip

    def watermarks(self, pipeline: str) -> list[Watermark]:
        """The last proof of each table in each sink, and the doubt of the last look."""
        statement = f'SELECT {_COLUMNS} FROM cdc_ops.watermarks WHERE pipeline = %s ORDER BY "table", sink'  # noqa: S608
        return [_watermark(row) for row in self.rows(statement, (pipeline,))]

    def record_built_day(
        self, pipeline: str, build: str, sink: str, day: date, complete_until: datetime
    ) -> None:
        """A day was built; built before, nothing changes."""
        self.rows(
            "INSERT INTO cdc_ops.built_days (pipeline, build, sink, day, complete_until) "
            "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (pipeline, build, sink, day, complete_until),
        )

    def built_days(self, pipeline: str, build: str, sink: str) -> set[date]:
        """The days that were built."""
        statement = "SELECT day FROM cdc_ops.built_days WHERE pipeline = %s AND build = %s AND sink = %s"
        return {row["day"] for row in self.rows(statement, (pipeline, build, sink))}


def _watermark(row: DictRow) -> Watermark:
    return Watermark(**row)
