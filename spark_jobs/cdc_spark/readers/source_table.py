"""A whole table of the source as rows for the writers, read in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import pyarrow as pa
from psycopg.sql import SQL, Identifier

from cdc.clients.postgres import connect_postgres, log_end
from cdc.connections import Connection
from cdc.errors import DataError
from cdc.model.version import filled
from cdc.services.undeclared import refuse_undeclared
from cdc.services.visible import wait_visible
from cdc.types.text import SESSION_SETTINGS
from cdc_spark.readers.lookups import source_failure, source_values
from cdc_spark.schemas.rows import Operation, row_schema
from cdc_spark.transformations.cdc_transformer import (
    Seen,
    TableContext,
    exact_notes,
    marker_rows,
    source_columns,
)
from cdc_spark.transformations.envelopes import Envelopes

CHUNK = 20_000
NOWHERE = -1
"""Partition and offset of a row that no event has brought."""

Arrows = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class WholeTable:
    """Reads every row of a table.

    The rows' version is the lowest of the topic's present generation: above everything that earlier
    generations have brought, below every event of this one. Their LSN is read under the table's lock, which
    excludes TRUNCATE until the last row is read, so they are on the right side of every truncate floor.

    Args:
        context: the table as it is to be read, and where its rows go.
        connection: the capturing role, which may read the table.
        generation: the topic's, begun before the first row is read.
        told: how many rows were read so far, after each piece.
    """

    context: TableContext
    connection: Connection
    generation: int
    told: Callable[[int], None] = lambda _: None

    def batches(self) -> Callable[[Arrows], Arrows]:
        """What `mapInArrow` runs over a frame of one row."""

        def read(batches: Arrows) -> Arrows:
            for _ in batches:
                pass
            yield from self._read()

        return read

    def _read(self) -> Arrows:
        table, seen = self.context.table, Seen()
        relation = Identifier(table.schema_name, table.table_name)
        names = SQL(", ").join(Identifier(column.name) for column in table.live_columns)
        with connect_postgres(self.connection, application_name="cdc-rebuild") as session:
            try:
                # What lies before the topic's new generation must be seen.
                wait_visible(session.cursor())
                session.rollback()
                session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                # The lock comes before the snapshot of the transaction.
                session.execute(SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(relation))
                refuse_undeclared(session.cursor(), table)
                for name, value in SESSION_SETTINGS.items():
                    session.execute("SELECT set_config(%s, %s, true)", (name, value))
                lsn = log_end(session)
                session.execute(
                    SQL("DECLARE whole NO SCROLL CURSOR FOR SELECT {} FROM {}").format(names, relation)
                )
                while rows := self._fetch(session):
                    seen.events += len(rows)
                    yield self._rows(rows, lsn)
                    self.told(seen.events)
            except psycopg.Error as error:
                raise source_failure(table, error) from error
        yield marker_rows(self.context, datetime.now(UTC), [], [], seen)

    def _fetch(self, session: psycopg.Connection) -> list[tuple[bytes | None, ...]]:
        cursor = session.cursor()
        cursor.execute(SQL("FETCH {} FROM whole").format(CHUNK))
        result = cursor.pgresult
        if result is None:
            return []
        return [
            tuple(result.get_value(row, column) for column in range(result.nfields))
            for row in range(result.ntuples)
        ]

    def _rows(self, raw: list[tuple[bytes | None, ...]], lsn: int) -> pa.RecordBatch:
        table, count = self.context.table, len(raw)
        values = [source_values(table, row) for row in raw]
        events = Envelopes(ops=["r"] * count, values=values)
        columns, wrong = source_columns(events, self.context)
        if wrong:
            position, (_, message) = next(iter(wrong.items()))
            names = [column.name for column in table.columns]
            key = {name: values[position][names.index(name)] for name in table.key}
            raise DataError(
                f"{table.source}: the row with {key} cannot be written: {message}. Nothing was exchanged: "
                "mend the row, or declare the column `as: text`, then build the table once more"
            )
        now = datetime.now(UTC)
        return pa.RecordBatch.from_arrays(
            [
                *columns,
                *(pa.array([value] * count, field.type) for field, value in self._lineage(lsn, now)),
                exact_notes(events),
            ],
            schema=row_schema(table),
        )

    def _lineage(self, lsn: int, now: datetime) -> Iterator[tuple[pa.Field, object]]:
        values = {
            "processed_at": now,
            "_version": filled(self.generation),
            "_op": str(Operation.READ),
            "_lsn": lsn,
            "_tx_id": None,
            "_source_ts": now,
            "_partition": NOWHERE,
            "_offset": NOWHERE,
        }
        schema = row_schema(self.context.table)
        return ((schema.field(name), value) for name, value in values.items())
