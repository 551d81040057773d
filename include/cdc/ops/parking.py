"""Parked tables: where each begins, and whether it is being resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from cdc.errors import ConfigurationError, ConflictError
from cdc.model.parking import ParkedTable, merged
from cdc.ops.base import ADVISORY_CLASS, OpsDatabase

_COLUMNS = (
    '"table", sink, reason, offsets, released_at IS NOT NULL AS released, xmin::text AS version, '
    "left_out_until, times_left_out, parked_at, exchanging"
)
_ONE = 'pipeline = %s AND "table" = %s AND sink = %s'
_SAME = f"{_ONE} AND xmin::text = %s"
_PLACE = f"SELECT {_COLUMNS} FROM cdc_ops.parked WHERE {_ONE}"  # noqa: S608 no value is in it
_FREE = "SELECT pg_try_advisory_xact_lock_shared(%s, hashtext(%s)) AS free"


class ParkingStore(OpsDatabase):
    """Tables that wait for a person.

    A parked table comes back in two steps, so that a resume which dies can be run again: released, its query
    writes it again; unparked, nothing that the query skipped is missing any more.

    How it works: what has read where a table is parked changes it only as long as nobody else has written
    that down since (PostgreSQL's `xmin` tells). So a resume and an exchange that overlap never both succeed,
    whichever is killed when.
    """

    def park(self, pipeline: str, table: str, sink: str, reason: str, offsets: Mapping[int, int]) -> None:
        """Park a table in a sink; parked again, also while it is resumed, it keeps its earliest offsets."""
        wanted = ParkedTable(table, sink, reason, offsets)
        with self.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"{pipeline}/{table}/{sink}",))
            known = _found(connection.execute(_PLACE, (pipeline, table, sink)).fetchall())
            kept = merged(known, wanted) if known else wanted
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
        return _found(self.rows(_PLACE, (pipeline, table, sink)))

    def place_to_resume(self, pipeline: str, table: str, sink: str) -> ParkedTable | None:
        """The same for a resume, of which none may begin while the table is exchanged with another one.

        Raises:
            ConflictError: it is being exchanged.
            ConfigurationError: its events do not tell all of its changes, or its exchange was broken off.
        """
        with self.transaction() as connection:
            # Held until the place was read.
            row = connection.execute(_FREE, (ADVISORY_CLASS, _exchange(pipeline, table))).fetchone()
            if row is None or not row["free"]:
                raise ConflictError(
                    f"{table} is being exchanged with the one that was built anew beside it, and comes back "
                    "by itself: `cdc table list` shows when. If the new build was broken off, try again"
                )
            found = _found(connection.execute(_PLACE, (pipeline, table, sink)).fetchall())
        if found is not None and found.exchanging:
            raise ConfigurationError(
                f"the exchange of {table} with {found.exchanging} was broken off, so sinks may have "
                f"different tables of that name: `cdc schema apply {table}` builds it anew, "
                f"`cdc schema rollback {table}` shows the old one in every sink"
            )
        if found is not None and found.incomplete:
            raise ConfigurationError(
                f"changes of {table} were left out of the capture, or no event tells them truly, or its "
                "topic was made anew since it was parked, so the topic lacks them, and a resume would leave "
                f"them out of the sinks too: build it anew (`cdc resync {table}`)"
            )
        return found

    def leave_out(self, pipeline: str, table: str, until: int) -> None:
        """The connector leaves a parked table out until it has passed a position of the source's log."""
        self.rows(
            "UPDATE cdc_ops.parked SET left_out_until = %s, times_left_out = times_left_out + 1 "
            'WHERE pipeline = %s AND "table" = %s RETURNING 1',
            (until, pipeline, table),
        )

    def mark_incomplete(self, pipeline: str, table: str) -> None:
        """Events of a parked table do not tell all of its changes."""
        self.rows(
            "UPDATE cdc_ops.parked SET times_left_out = greatest(times_left_out, 1) "
            'WHERE pipeline = %s AND "table" = %s RETURNING 1',
            (pipeline, table),
        )

    def take_back(self, pipeline: str, table: str) -> None:
        """The connector captures it again."""
        self.rows(
            "UPDATE cdc_ops.parked SET left_out_until = NULL "
            'WHERE pipeline = %s AND "table" = %s RETURNING 1',
            (pipeline, table),
        )

    def exchanging(self, pipeline: str, table: str) -> AbstractContextManager[None]:
        """Held while a table is exchanged: no resume of it begins. It ends with the process that holds it."""
        return self.exclusively(_exchange(pipeline, table))

    def writing(self, pipeline: str, table: str) -> AbstractContextManager[None]:
        """Held while a run writes a table beside its stream: an exchange waits for the end of it."""
        return self.together(_exchange(pipeline, table))

    def building(self, pipeline: str, table: str) -> AbstractContextManager[None]:
        """Held while a table is built anew, or brought back: a second one would drop or exchange the first's.

        Raises:
            ConflictError: another process does so.
        """
        return self.alone(
            f"build {pipeline}/{table}", f"{table} is built anew, or brought back, by another run"
        )

    def hold_parked(self, pipeline: str, parked: ParkedTable) -> ParkedTable | None:
        """Before an exchange: no resume that began earlier can release the table any more.

        Returns:
            The place to go on with; None when the table was resumed since, or is, or changes of it were left
            out of the capture since.
        """
        return self._change(
            f"UPDATE cdc_ops.parked SET offsets = offsets WHERE {_ONE} "  # noqa: S608 no value is in it
            "AND released_at IS NULL AND offsets = %s AND left_out_until IS NULL AND times_left_out = %s",
            (pipeline, parked.table, parked.sink, Jsonb(parked.offsets), parked.times_left_out),
        )

    def advance_parked(
        self, pipeline: str, parked: ParkedTable, offsets: Mapping[int, int]
    ) -> ParkedTable | None:
        """All that lay before `offsets` is written now; None when somebody else has changed the place."""
        return self._change(
            f"UPDATE cdc_ops.parked SET offsets = %s WHERE {_SAME}",  # noqa: S608 no value is in it
            (Jsonb(offsets), *_same(pipeline, parked)),
        )

    def begin_exchange(self, pipeline: str, table: str, build: str) -> dict[str, ParkedTable]:
        """No resume begins until the exchange is ended or undone, by whomever; the places by sink."""
        rows = self.rows(
            "UPDATE cdc_ops.parked SET exchanging = %s "  # noqa: S608 no value is in it
            f'WHERE pipeline = %s AND "table" = %s RETURNING {_COLUMNS}',
            (build, pipeline, table),
        )
        return {place.sink: place for place in map(_parked, rows)}

    def end_exchange(self, pipeline: str, table: str) -> None:
        """Every sink has the table that is remembered."""
        self.rows(
            'UPDATE cdc_ops.parked SET exchanging = NULL WHERE pipeline = %s AND "table" = %s RETURNING 1',
            (pipeline, table),
        )

    def exchanged(self, pipeline: str, parked: ParkedTable, offsets: Mapping[int, int]) -> ParkedTable | None:
        """The same of a table that was built anew, which has what its events did not tell."""
        return self._change(
            "UPDATE cdc_ops.parked SET offsets = %s, times_left_out = 0, exchanging = NULL "  # noqa: S608 no value is in it
            f"WHERE {_SAME}",
            (Jsonb(offsets), *_same(pipeline, parked)),
        )

    def release(self, pipeline: str, parked: ParkedTable, offsets: Mapping[int, int]) -> ParkedTable | None:
        """What lay before `offsets` is written, and the query writes the table again; None as above."""
        return self._change(
            "UPDATE cdc_ops.parked SET offsets = %s, released_at = now() "  # noqa: S608 no value is in it
            f"WHERE {_SAME}",
            (Jsonb(offsets), *_same(pipeline, parked)),
        )

    def unpark(self, pipeline: str, released: ParkedTable) -> bool:
        """The end of a resume; False when it was not released, or somebody else has changed the place."""
        statement = f"DELETE FROM cdc_ops.parked WHERE {_SAME} AND released_at IS NOT NULL"  # noqa: S608
        return self._change(statement, _same(pipeline, released)) is not None

    def _change(self, statement: str, parameters: tuple[object, ...]) -> ParkedTable | None:
        return _found(self.rows(f"{statement} RETURNING {_COLUMNS}", parameters))


def _exchange(pipeline: str, table: str) -> str:
    return f"exchange {pipeline}/{table}"


def _same(pipeline: str, parked: ParkedTable) -> tuple[str, ...]:
    return pipeline, parked.table, parked.sink, parked.version


def _found(rows: Sequence[DictRow]) -> ParkedTable | None:
    return _parked(rows[0]) if rows else None


def _parked(row: DictRow) -> ParkedTable:
    offsets = {int(partition): offset for partition, offset in row["offsets"].items()}
    return ParkedTable(
        row["table"],
        row["sink"],
        row["reason"],
        offsets,
        row["released"],
        row["version"],
        row["left_out_until"],
        row["times_left_out"],
        row["parked_at"],
        row["exchanging"],
    )
