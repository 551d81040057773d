"""Compares every row and every column of a pipeline's tables at the source and in its sinks.

All sides are read as streams in key order, so memory does not grow with a table; of a table without a key
only with the number of its different rows. The source is read in one
repeatable-read transaction; while changes flow, rows that are under way are reported as differences, so a
caller first waits until the sinks have caught up, or compares again.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import psycopg

from cdc.clients.clickhouse import connect_clickhouse, query_errors
from cdc.comparison.merge import Row, RowShape, compare_rows
from cdc.comparison.multiset import compare_multisets
from cdc.comparison.order import rank
from cdc.comparison.queries import (
    CLICKHOUSE_SETTINGS,
    clickhouse_query,
    compared_columns,
    postgres_query,
)
from cdc.comparison.report import CompareReport, TableReport
from cdc.comparison.values import Canonicalizer, canonicalizer
from cdc.connections import Connection, Connections
from cdc.errors import ConfigurationError, DataError, SchemaChangedError, UnavailableError
from cdc.model.window import Window
from cdc.spec import ClickHouseSink, DerivedColumnSpec, Pipeline, SinkSpec, TableSpec
from cdc.types.text import SESSION_OPTIONS

FETCH_ROWS = 5_000
CONNECT_TIMEOUT_S = 10
# Sorting a large table comes before its first row.
CLICKHOUSE_TIMEOUT_S = 600


def compare(
    pipeline: Pipeline,
    connections: Connections,
    tables: Sequence[TableSpec] | None = None,
    *,
    limit: int = 20,
) -> CompareReport:
    """Compare tables of a pipeline, all of them by default.

    Args:
        pipeline: the pipeline.
        connections: where its source and sinks are.
        tables: the tables to compare.
        limit: differences of each table that are kept as examples.

    Raises:
        UnavailableError: a side does not answer, or lost the connection on the way.
        DataError: a side cannot be read in the order of its key.
    """
    chosen = pipeline.tables if tables is None else tables
    reports = tuple(compare_table(pipeline, connections, table, limit=limit) for table in chosen)
    return CompareReport(pipeline.name, reports)


def compare_table(
    pipeline: Pipeline,
    connections: Connections,
    table: TableSpec,
    *,
    limit: int = 20,
    window: Window | None = None,
) -> TableReport:
    """Compare one table, or its rows of a window, with its copy in every sink; raises as `compare` does."""
    columns = compared_columns(table)
    shape = RowShape(
        len(table.key),
        tuple(column.name for column in columns),
        tuple(column.name for column in table.derived),
        tuple(rank(column.pg_type) for column in table.key_columns),
    )
    with contextlib.ExitStack() as stack:

        def source() -> Iterator[Row]:
            connection = connections.get(pipeline.source.admin_connection)
            relation = (table.schema_name, table.table_name)
            query = postgres_query(table, relation, derived=False, window=window)
            return canonical(postgres_rows(stack, connection, query), columns)

        def copy(sink: SinkSpec) -> Iterator[Sequence[Any]]:
            return _sink_rows(stack, connections.get(sink.connection), sink, table, window)

        both = (*columns, *table.derived)
        about = {"table": table.source, "name": table.name}
        if table.changelog:
            counted = {sink.name: partial(_counted, partial(copy, sink), both) for sink in pipeline.sinks}
            return compare_multisets(source, counted, shape, **about, limit=limit)
        rows = {sink.name: canonical(copy(sink), both) for sink in pipeline.sinks}
        return compare_rows(source(), rows, shape, **about, limit=limit)


def _sink_rows(
    stack: contextlib.ExitStack,
    connection: Connection,
    sink: SinkSpec,
    table: TableSpec,
    window: Window | None,
) -> Iterator[Sequence[Any]]:
    view = sink.view(table.name)
    if isinstance(sink, ClickHouseSink):
        return clickhouse_rows(stack, connection, clickhouse_query(table, view, window))
    return postgres_rows(stack, connection, postgres_query(table, view, derived=True, window=window))


def postgres_rows(
    stack: contextlib.ExitStack, connection: Connection, query: psycopg.sql.SQL | psycopg.sql.Composed
) -> Iterator[Sequence[Any]]:
    """The rows of a query in a snapshot of its own, fetched as they are read."""
    try:
        session = stack.enter_context(
            psycopg.connect(connection.dsn(connect_timeout=CONNECT_TIMEOUT_S), options=SESSION_OPTIONS)
        )
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        session.read_only = True
        cursor = stack.enter_context(session.cursor(name="cdc_compare"))
        cursor.itersize = FETCH_ROWS
        cursor.execute(query)
        yield from cursor
    except psycopg.errors.UndefinedTable as error:
        raise ConfigurationError(f"connection {connection.id!r}: {error}; `cdc apply` makes it") from error
    except psycopg.errors.UndefinedColumn as error:
        raise SchemaChangedError(
            f"connection {connection.id!r}: {error}; expected the columns of the pipeline: run `cdc discover`"
        ) from error
    except psycopg.OperationalError as error:
        raise UnavailableError(
            f"connection {connection.id!r} failed while its rows were read: {error}"
        ) from error


def clickhouse_rows(
    stack: contextlib.ExitStack, connection: Connection, query: str
) -> Iterator[Sequence[Any]]:
    """The same of ClickHouse."""
    client = connect_clickhouse(connection, send_receive_timeout_s=CLICKHOUSE_TIMEOUT_S)
    stack.callback(client.close)
    with (
        query_errors(connection),
        client.query_rows_stream(query, settings=CLICKHOUSE_SETTINGS) as stream,
    ):
        yield from stream


def _counted(
    read: Callable[[], Iterator[Sequence[Any]]], columns: Sequence[DerivedColumnSpec]
) -> Iterator[tuple[Row, int]]:
    """Rows of a changelog, each with how it counts, which is read as the last column."""
    diffs: deque[int] = deque()

    def rows() -> Iterator[Sequence[Any]]:
        for *row, diff in read():
            diffs.append(diff)
            yield row

    for row in canonical(rows(), columns):
        yield row, diffs.popleft()


def canonical(rows: Iterable[Sequence[Any]], columns: Sequence[DerivedColumnSpec]) -> Iterator[Row]:
    """Values in the shape in which `==` decides."""
    functions: list[Canonicalizer | None] = [canonicalizer(column.pg_type) for column in columns]
    for row in rows:
        try:
            values = tuple(
                value if value is None or function is None else function(value)
                for value, function in zip(row, functions, strict=True)
            )
        except (ValueError, TypeError, ArithmeticError) as error:
            kinds = ", ".join(f"{column.name} {column.type}" for column in columns)
            raise DataError(
                f"received a row whose values are not of the declared types ({kinds}): {error}; "
                "`cdc schema status` says how the source has changed"
            ) from error
        yield values
