"""The rows of some keys at the source and in the sinks, in the shape in which they are compared."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from clickhouse_connect.driver.client import Client
from psycopg import sql

from cdc.clients.clickhouse import connect_clickhouse, query_errors
from cdc.clients.postgres import connect_postgres
from cdc.comparison.canonical import clickhouse_text, postgres_text
from cdc.comparison.checksums import key_condition_clickhouse, key_condition_postgres
from cdc.comparison.merge import Row
from cdc.comparison.queries import (
    CLICKHOUSE_SETTINGS,
    clickhouse_values,
    compared_columns,
    postgres_values,
)
from cdc.connections import Connection, Connections
from cdc.ddl.clickhouse import raw_name as clickhouse_raw
from cdc.ddl.columns import quote_ch
from cdc.ddl.warehouse import raw_name as warehouse_raw
from cdc.errors import UnavailableError
from cdc.services.checksums import Key
from cdc.services.compare import CLICKHOUSE_TIMEOUT_S, CONNECT_TIMEOUT_S, canonical
from cdc.spec import ClickHouseSink, DerivedColumnSpec, Pipeline, SinkSpec, TableSpec
from cdc.types.text import SESSION_OPTIONS

KEYS_OF_A_QUERY = 1_000


@dataclass(frozen=True)
class SourceRow:
    """A row at the source, and the transaction that wrote it."""

    row: Row
    stamp: str


@dataclass(frozen=True)
class StoredRow:
    """A key in a sink.

    Attributes:
        row: what readers see: the source's columns, then derived ones; None when they see nothing.
        version, partition: of the newest row of the key, a tombstone too.
    """

    row: Row | None
    version: int
    partition: int


class RowsByKey:
    """Reads the rows of keys; the keys are the canonical texts of their columns."""

    def __init__(self, pipeline: Pipeline, connections: Connections, table: TableSpec) -> None:
        self._connections, self._table = connections, table
        self._admin = connections.get(pipeline.source.admin_connection)
        self._columns = compared_columns(table)
        self._width = len(table.key)

    def source(self, keys: Sequence[Key]) -> tuple[dict[Key, SourceRow], int]:
        """The source's rows, and its log position read after them."""
        table = self._table
        texts = sql.SQL(", ").join(map(postgres_text, table.key_columns))
        queries = [
            sql.SQL("SELECT {}, {}, xmin::text FROM {} WHERE {}").format(
                texts,
                postgres_values(self._columns),
                sql.Identifier(table.schema_name, table.table_name),
                key_condition_postgres(table, chunk),
            )
            for chunk in _chunks(keys)
        ]
        position = sql.SQL("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
        *answers, ((lsn,),) = self._postgres(self._admin, *queries, position)
        found = [row for answer in answers for row in answer]
        rows = self._by_key((row[:-1] for row in found), self._columns)
        stamps = {tuple(row[: self._width]): row[-1] for row in found}
        return {key: SourceRow(row, stamps[key]) for key, row in rows.items()}, int(lsn)

    def stored(self, sink: SinkSpec, keys: Sequence[Key]) -> dict[Key, StoredRow]:
        """A sink's rows; a key of which it never had one is missing.

        A version is never older than the row that is shown beside it.
        """
        columns = (*self._columns, *self._table.derived)
        found: dict[Key, StoredRow] = {}
        for chunk in _chunks(keys):
            shown, newest = self._read(sink, chunk)
            rows = self._by_key(shown, columns)
            found |= {
                key: StoredRow(rows.get(key), int(version), int(partition))
                for *texts, version, partition in newest
                for key in [tuple(texts)]
            }
        return found

    def delete(self, sink: SinkSpec, versions: Mapping[Key, int]) -> None:
        """Remove exactly these versions of keys from a sink's physical table."""
        for key, version in versions.items():
            if isinstance(sink, ClickHouseSink):
                condition = key_condition_clickhouse(self._table, [key])
                statement = (
                    f"DELETE FROM {clickhouse_raw(sink, self._table)} "  # noqa: S608 - identifiers are quoted
                    f"WHERE {condition} AND _version = {version}"
                )
                with self._clickhouse(sink) as client:
                    client.command(statement, settings={"lightweight_deletes_sync": 2})
            else:
                removal = sql.SQL("DELETE FROM {} WHERE {} AND _version = {}").format(
                    warehouse_raw(sink, self._table), key_condition_postgres(self._table, [key]), version
                )
                with connect_postgres(self._connections.get(sink.connection), autocommit=True) as session:
                    session.execute(removal)

    def _read(self, sink: SinkSpec, keys: Sequence[Key]) -> list[list[Any]]:
        """What readers see of the keys, then their newest versions."""
        if isinstance(sink, ClickHouseSink):
            return self._read_clickhouse(sink, keys)
        table = self._table
        texts = sql.SQL(", ").join(map(postgres_text, table.key_columns))
        condition = key_condition_postgres(table, keys)
        shown = sql.SQL("SELECT {}, {} FROM {} WHERE {}").format(
            texts,
            postgres_values((*self._columns, *table.derived)),
            sql.Identifier(*sink.view(table.name)),
            condition,
        )
        newest = sql.SQL("SELECT {}, _version, _partition FROM {} WHERE {}").format(
            texts, warehouse_raw(sink, table), condition
        )
        return self._postgres(self._connections.get(sink.connection), shown, newest)

    def _read_clickhouse(self, sink: ClickHouseSink, keys: Sequence[Key]) -> list[list[Any]]:
        table = self._table
        texts = ", ".join(clickhouse_text(column, nullable=False) for column in table.key_columns)
        condition = key_condition_clickhouse(table, keys)
        view = ".".join(map(quote_ch, sink.view(table.name)))
        values = clickhouse_values((*self._columns, *table.derived))
        raw = clickhouse_raw(sink, table)
        queries = (
            f"SELECT {texts}, {values} FROM {view} WHERE {condition}",  # noqa: S608 - all quoted
            (
                f"SELECT {texts}, max(_version), argMax(_partition, _version) "  # noqa: S608
                f"FROM {raw} WHERE {condition} GROUP BY {', '.join(map(quote_ch, table.key))}"
            ),
        )
        with self._clickhouse(sink) as client:
            return [list(client.query(query, settings=CLICKHOUSE_SETTINGS).result_rows) for query in queries]

    def _by_key(self, found: Iterable[Sequence[Any]], columns: Sequence[DerivedColumnSpec]) -> dict[Key, Row]:
        listed = list(found)
        rows = canonical((row[self._width :] for row in listed), columns)
        return {tuple(row[: self._width]): made for row, made in zip(listed, rows, strict=True)}

    def _postgres(self, connection: Connection, *queries: sql.SQL | sql.Composed) -> list[list[Any]]:
        """What queries return, all in one snapshot."""
        try:
            with psycopg.connect(
                connection.dsn(connect_timeout=CONNECT_TIMEOUT_S), options=SESSION_OPTIONS
            ) as session:
                session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                session.read_only = True
                return [session.execute(query).fetchall() for query in queries]
        except psycopg.OperationalError as error:
            raise UnavailableError(f"connection {connection.id!r} failed: {error}") from error

    @contextlib.contextmanager
    def _clickhouse(self, sink: ClickHouseSink) -> Iterator[Client]:
        connection = self._connections.get(sink.connection)
        client = connect_clickhouse(connection, send_receive_timeout_s=CLICKHOUSE_TIMEOUT_S)
        try:
            with query_errors(connection):
                yield client
        finally:
            client.close()


def _chunks(keys: Sequence[Key]) -> list[Sequence[Key]]:
    return [keys[at : at + KEYS_OF_A_QUERY] for at in range(0, len(keys), KEYS_OF_A_QUERY)]
