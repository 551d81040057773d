"""Parked tables: where each begins, and whether it is being resumed."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from cdc.model.parking import ParkedTable, merged
from cdc.ops.base import OpsDatabase

_COLUMNS = '"table", sink, reason, offsets, released_at IS NOT NULL AS released'
_ONE = 'pipeline = %s AND "table" = %s AND sink = %s'


class ParkingStore(OpsDatabase):
    """Tables that wait for a person.

    A parked table comes back in two steps, so that a resume which dies can be run again: released, its query
    writes it again; unparked, nothing that the query skipped is missing any more.
    """

    def park(self, pipeline: str, table: str, sink: str, reason: str, offsets: Mapping[int, int]) -> None:
        """Park a table in a sink; parked again, also while it is resumed, it keeps its earliest offsets."""
        wanted = ParkedTable(table, sink, reason, offsets)
        with self.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"{pipeline}/{table}/{sink}",))
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM cdc_ops.parked WHERE {_ONE}",  # noqa: S608 no value is in it
                (pipeline, table, sink),
            ).fetchone()
            kept = merged(_parked(row), wanted) if row else wanted
            connection.execute(
                'INSERT INTO cdc_ops.parked (pipeline, "table", sink, reason, offsets) '
                "VALUES (%s, %s, %s, %s, %s) "
                'ON CONFLICT (pipeline, "table", sink) DO UPDATE '
                "SET reason = excluded.reason, offsets = excluded.offsets, released_at = NULL",
                (pipeline, table, sink, reason, Jsonb(kept.offsets)),
            )

    def parked(self, pipeline: str, sink: str | None = None) -> list[ParkedTable]:
        """The parked tables of a pipeline, or of one of its sinks; those that are being resumed too."""
        rows = self.rows(
            f"SELECT {_COLUMNS} FROM cdc_ops.parked WHERE pipeline = %(pipeline)s "  # noqa: S608
            'AND (%(sink)s::text IS NULL OR sink = %(sink)s) ORDER BY "table", sink',
            {"pipeline": pipeline, "sink": sink},
        )
        return [_parked(row) for row in rows]

    def parked_table(self, pipeline: str, table: str, sink: str) -> ParkedTable | None:
        """One table in one sink, when it is parked there."""
        row = self.one(
            f"SELECT {_COLUMNS} FROM cdc_ops.parked WHERE {_ONE}",  # noqa: S608 no value is in it
            (pipeline, table, sink),
        )
        return _parked(row) if row else None

    def advance_parked(self, pipeline: str, parked: ParkedTable, offsets: Mapping[int, int]) -> bool:
        """What lay before `offsets` is written now; False when the table was parked anew in between."""
        return self._change(
            f"UPDATE cdc_ops.parked SET offsets = %s WHERE {_ONE} AND offsets = %s",  # noqa: S608
            (Jsonb(offsets), pipeline, parked.table, parked.sink, Jsonb(parked.offsets)),
        )

    def release(self, pipeline: str, table: str, sink: str) -> bool:
        """Let the query write the table again; False when it is not parked."""
        return self._change(
            f"UPDATE cdc_ops.parked SET released_at = now() WHERE {_ONE}",  # noqa: S608 no value is in it
            (pipeline, table, sink),
        )

    def unpark(self, pipeline: str, table: str, sink: str) -> bool:
        """The end of a resume; False when the table was parked again in between."""
        return self._change(
            f"DELETE FROM cdc_ops.parked WHERE {_ONE} AND released_at IS NOT NULL",  # noqa: S608
            (pipeline, table, sink),
        )

    def _change(self, statement: str, parameters: tuple[object, ...]) -> bool:
        return bool(self.rows(f"{statement} RETURNING 1", parameters))


def _parked(row: DictRow) -> ParkedTable:
    offsets = {int(partition): offset for partition, offset in row["offsets"].items()}
    return ParkedTable(row["table"], row["sink"], row["reason"], offsets, row["released"])
