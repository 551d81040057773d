"""The PostgreSQL warehouse: one transaction for each table and Spark partition."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import psycopg
import pyarrow as pa
import pyarrow.csv as pacsv
from psycopg.sql import SQL, Composed, Identifier

from cdc.clients.postgres import connect_postgres
from cdc.connections import Connection
from cdc.ddl.columns import SinkColumn, sink_columns
from cdc.ddl.warehouse import FENCE, FLOORS, LEDGER, raw_name
from cdc.errors import DataError, FencedError
from cdc.model.floors import NO_FLOOR, Floor
from cdc.model.lease import is_fenced
from cdc.spec import ColumnSpec, TableSpec, WarehouseSink
from cdc.types import PgType
from cdc_spark.kept import Kept
from cdc_spark.readers.postgres_rows import rows_by_key
from cdc_spark.schemas.arrow import arrow_type
from cdc_spark.transformations.beyond import beyond_text
from cdc_spark.transformations.limits import POSTGRES
from cdc_spark.transformations.lookups import StoredRows
from cdc_spark.transformations.read_back import debezium_value
from cdc_spark.transformations.values import convert_column
from cdc_spark.writers.base import SinkBatch, TableWriter
from cdc_spark.writers.columns import for_warehouse
from cdc_spark.writers.failures import postgres_failures
from cdc_spark.writers.refused import Refused, write_pieces

_CONNECTIONS: Kept[psycopg.Connection] = Kept()
"""By the connection's name."""

MARKS = {
    "_version": PgType("bigint"),
    "_lsn": PgType("bigint"),
    "_is_deleted": PgType("boolean"),
}
"""What a row that is read back has beside the source's columns."""

FENCE_WAIT_S = 10
"""The loop that starts the queries of all sinks waits so long at most."""
_CSV = pacsv.WriteOptions(include_header=False, quoting_style="needed")


@dataclass(frozen=True)
class WarehouseWriter(TableWriter):
    """COPY into a staging table, then an upsert that only a version as new or newer gets through.

    How it works: staging, upsert, truncate floors, ledger and the fence's check are one transaction, so a
    batch is there with its ledger entry or not at all. `>=` lets the same version through: a replay after
    a fix.

    Args:
        query: the name in ledger and fence.
        epoch: the lease's epoch; None for a run that has no lease (a bounded re-read), which neither checks
            the fence nor moves the ledger.
    """

    connection: Connection
    sink: WarehouseSink
    table: TableSpec
    query: str
    epoch: int | None = None
    deadline_s: float = field(default=20.0)

    def write(self, batch: SinkBatch) -> None:
        """Write rows, floors and ledger in one transaction."""
        with self._transaction(batch) as cursor:
            if batch.rows.num_rows:
                self._upsert(cursor, batch.rows)

    def write_in_pieces(self, batch: SinkBatch, limit: int) -> Refused:
        """The same transaction, with a savepoint for each piece."""
        with self._transaction(batch) as cursor:
            # A rule that is checked at the end of the transaction would not say which row breaks it.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            return write_pieces(batch.rows, partial(self._upsert_piece, cursor), limit)

    def _upsert_piece(self, cursor: psycopg.Cursor, rows: pa.Table) -> None:
        with postgres_failures(self._doing), cursor.connection.transaction():
            self._upsert(cursor, rows)
            # The staging table is emptied by the commit only.
            columns = tuple(column for column in sink_columns(self.table) if column.warehouse)
            cursor.execute(SQL("TRUNCATE {}").format(self._staging(columns)))

    @property
    def _doing(self) -> str:
        return f"writing to {'.'.join(self.sink.raw_table(self.table.name))}"

    @contextmanager
    def _transaction(self, batch: SinkBatch) -> Iterator[psycopg.Cursor]:
        """Fence, whatever is written inside, floors and ledger: all or nothing."""
        connection = self._connection()
        try:
            with postgres_failures(self._doing), connection.transaction(), connection.cursor() as cursor:
                self._check_fence(cursor)
                yield cursor
                self._raise_floors(cursor, batch.floors)
                self._advance_ledger(cursor, batch)
        except Exception:
            _CONNECTIONS.pop(self.connection.id)
            connection.close()
            raise

    def newest(self, keys: pa.Table) -> StoredRows:
        """The warehouse keeps one row of each key."""
        columns = self.table.columns
        names = [*(column.name for column in columns), *MARKS]
        connection, relation = self._connection(), raw_name(self.sink, self.table)
        try:
            doing = f"reading {'.'.join(self.sink.raw_table(self.table.name))}"
            with postgres_failures(doing), connection.transaction(), connection.cursor() as cursor:
                raw = list(rows_by_key(cursor, relation, names, keys))
                cursor.execute(self._floor_statement(), (self.table.name,))
                floor = cursor.fetchone()
        except Exception:
            _CONNECTIONS.pop(self.connection.id)
            connection.close()
            raise
        rows = {
            column.name: _read_back([row[at] for row in raw], column) for at, column in enumerate(columns)
        }
        for at, (name, pg) in enumerate(MARKS.items(), len(columns)):
            rows[name] = pa.array([debezium_value(row[at], pg) for row in raw], arrow_type(pg))
        return StoredRows(pa.table(rows), Floor(*floor) if floor else NO_FLOOR)

    def _floor_statement(self) -> Composed:
        return SQL(
            "SELECT generation, lsn FROM {} WHERE table_name = %s ORDER BY generation DESC, lsn DESC LIMIT 1"
        ).format(Identifier(self.sink.raw_schema, FLOORS))

    def _check_fence(self, cursor: psycopg.Cursor) -> None:
        if self.epoch is None:
            return
        fence = Identifier(self.sink.raw_schema, FENCE)
        cursor.execute(SQL("SELECT epoch FROM {} WHERE query = %s FOR SHARE").format(fence), (self.query,))
        row = cursor.fetchone()
        if row is not None and is_fenced(row[0], self.epoch):
            raise FencedError(
                f"query {self.query} is written with epoch {row[0]} now; this owner has {self.epoch}"
            )

    def _upsert(self, cursor: psycopg.Cursor, rows: pa.Table) -> None:
        columns = tuple(column for column in sink_columns(self.table) if column.warehouse)
        stage = self._staging(columns)
        names = SQL(", ").join(Identifier(column.name) for column in columns)
        cursor.execute(
            SQL(
                "CREATE TEMP TABLE IF NOT EXISTS {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA"
            ).format(stage, names, raw_name(self.sink, self.table))
        )
        buffer = pa.BufferOutputStream()
        pacsv.write_csv(for_warehouse(rows, columns), buffer, _CSV)
        with cursor.copy(SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(stage, names)) as copy:
            copy.write(memoryview(buffer.getvalue()))
        cursor.execute(self._upsert_statement(stage, columns))

    def _staging(self, columns: tuple[SinkColumn, ...]) -> Identifier:
        # Named after its columns: a worker outlives a change of the table.
        shape = repr((self.sink.raw_table(self.table.name), [(c.name, c.warehouse) for c in columns]))
        return Identifier(f"stage_{hashlib.sha256(shape.encode()).hexdigest()[:24]}")

    def _upsert_statement(self, stage: Identifier, columns: tuple[SinkColumn, ...]) -> Composed:
        key = SQL(", ").join(map(Identifier, self.table.identity))
        others = [Identifier(column.name) for column in columns if column.name not in self.table.identity]
        # DISTINCT ON keeps the newest version of each key by PostgreSQL's own equality, because ON CONFLICT
        # takes a row only once.
        return SQL(
            "INSERT INTO {target} AS stored ({names}) SELECT DISTINCT ON ({key}) {names} FROM {stage} "
            "ORDER BY {key}, _version DESC ON CONFLICT ({key}) DO UPDATE SET {sets} "
            "WHERE excluded._version >= stored._version"
        ).format(
            target=raw_name(self.sink, self.table),
            names=SQL(", ").join(Identifier(column.name) for column in columns),
            key=key,
            stage=stage,
            sets=SQL(", ").join(SQL("{} = excluded.{}").format(name, name) for name in others),
        )

    def _raise_floors(self, cursor: psycopg.Cursor, floors: frozenset[Floor]) -> None:
        statement = SQL(
            "INSERT INTO {} (table_name, generation, lsn) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
        ).format(Identifier(self.sink.raw_schema, FLOORS))
        for generation, lsn in sorted(floors):
            cursor.execute(statement, (self.table.name, generation, lsn))

    def _advance_ledger(self, cursor: psycopg.Cursor, batch: SinkBatch) -> None:
        if self.epoch is None:
            return
        statement = SQL(
            "INSERT INTO {} AS ledger (query, topic, partition, until_offset, epoch) "
            "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (query, topic, partition) DO UPDATE "
            "SET epoch = excluded.epoch, updated_at = now(), "
            "until_offset = greatest(ledger.until_offset, excluded.until_offset)"
        ).format(Identifier(self.sink.raw_schema, LEDGER))
        entries = [
            (self.query, batch.topic, partition, until, self.epoch)
            for partition, until in sorted(batch.until.items())
        ]
        # One round trip for all of them: psycopg sends them as a pipeline.
        cursor.executemany(statement, entries)

    def _connection(self) -> psycopg.Connection:
        connection = _CONNECTIONS.get(self.connection.id)
        if connection is None or connection.closed:
            connection = connect_postgres(
                self.connection,
                autocommit=True,
                application_name="cdc-spark",
                statement_timeout_s=int(self.deadline_s),
            )
            _CONNECTIONS.put(self.connection.id, connection)
        return connection


def _read_back(raw: list[bytes | None], column: ColumnSpec) -> pa.Array:
    if column.from_source:
        # What is filled there is read at the source, so nobody asks for the copy.
        return pa.nulls(len(raw), arrow_type(column.pg_type))
    if column.pg_type.as_text:
        return pa.array([None if value is None else value.decode() for value in raw], pa.string())
    values = [debezium_value(value, column.pg_type) for value in raw]
    array, misfits = convert_column(values, column.pg_type, POSTGRES)
    for position, (_, reason) in misfits.items():
        if beyond_text(values[position], column.pg_type) is not None:
            continue  # it is sent with every event of its row, so it never fills one
        raise DataError(f"column {column.name!r} in the warehouse: {reason}; run `cdc apply`")
    return array


def raise_fence(connection: Connection, sink: WarehouseSink, query: str, epoch: int) -> None:
    """Tell the warehouse that `epoch` writes as `query` now; waits for transactions of the owner before.

    Raises:
        FencedError: a newer epoch is there already.
        UnavailableError: such a transaction lasts, as one of a machine that is gone may; try again.
    """
    statement = SQL(
        "INSERT INTO {} AS fence (query, epoch) VALUES (%s, %s) ON CONFLICT (query) DO UPDATE "
        "SET epoch = greatest(fence.epoch, excluded.epoch) RETURNING epoch"
    ).format(Identifier(sink.raw_schema, FENCE))
    with (
        postgres_failures("raising the fence"),
        connect_postgres(connection, autocommit=True, statement_timeout_s=FENCE_WAIT_S) as session,
    ):
        row = session.execute(statement, (query, epoch)).fetchone()
    if row is not None and is_fenced(row[0], epoch):
        raise FencedError(f"query {query} is written with epoch {row[0]} already; this owner has {epoch}")
