"""A table that is built anew in a sink beside the old one, and the exchange of the two.

Both have names from the beginning: the new one is built under the name that the old one has afterwards, so an
exchange is one atomic step in ClickHouse and one transaction in PostgreSQL, and it is its own reverse.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from clickhouse_connect.driver.client import Client
from psycopg.sql import SQL, Identifier

from cdc.clients.clickhouse import connect_clickhouse, mapped_errors
from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.ddl import clickhouse, warehouse
from cdc.ddl.columns import quote_ch, quote_ch_string, sink_columns
from cdc.services.warehouse_objects import WarehouseObjects
from cdc.spec import ClickHouseSink, Pipeline, SinkSpec, TableSpec, WarehouseSink
from cdc.spec.names import shorten

_TIMEOUT_S = 120


def beside(table: TableSpec, at: datetime) -> TableSpec:
    """The table under a dated name of its own."""
    name = f"{table.name}__build_{at:%Y%m%d%H%M%S}"
    return table.model_copy(update={"name": shorten(name, f"{table.source} {at.isoformat()}")})


def prepare(
    pipeline: Pipeline, table: TableSpec, shadow: TableSpec, sink: SinkSpec, connections: Connections
) -> None:
    """Make the new table, without a view; builds of the table that came to nothing are dropped.

    Args:
        pipeline: the pipeline.
        table: the table.
        shadow: what is built beside it.
        sink: where.
        connections: how to get there.
    """
    connection = connections.get(sink.connection)
    if isinstance(sink, ClickHouseSink):
        with mapped_errors(connection):
            client = connect_clickhouse(connection, send_receive_timeout_s=_TIMEOUT_S)
            try:
                columns = sink_columns(shadow)
                client.command(clickhouse.create_table(sink, shadow, columns, _comment(pipeline, table)))
            finally:
                client.close()
        return
    with connect_postgres(connection, application_name="cdc-schema") as session:
        for statement in warehouse.statements(pipeline, sink, shadow)[:-1]:
            session.execute(statement)


def discard(table: TableSpec, keep: str, sink: SinkSpec, connections: Connections) -> tuple[str, ...]:
    """Drop every table that was built beside this one, but for the one to keep; returns their names."""
    connection = connections.get(sink.connection)
    mine = re.compile(rf"{re.escape(table.name)}__build_\d{{14}}")
    if isinstance(sink, ClickHouseSink):
        with mapped_errors(connection):
            client = connect_clickhouse(connection, send_receive_timeout_s=_TIMEOUT_S)
            try:
                found = client.query(
                    "SELECT name FROM system.tables WHERE database = {d:String}", {"d": sink.raw_database}
                ).result_rows
                names = _builds([row[0] for row in found], mine, keep)
                for name in names:
                    client.command(f"DROP TABLE {quote_ch(sink.raw_database)}.{quote_ch(name)}")
            finally:
                client.close()
        return names
    with connect_postgres(connection, application_name="cdc-schema") as session:
        rows = session.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", (sink.raw_schema,)
        ).fetchall()
        names = _builds([row[0] for row in rows], mine, keep)
        for name in names:
            session.execute(SQL("DROP TABLE {}").format(Identifier(sink.raw_schema, name)))
    return names


def exchange(
    pipeline: Pipeline, table: TableSpec, other: str, sink: SinkSpec, connections: Connections
) -> None:
    """Let a table and another one exchange their names, and readers see the table as it is then.

    Args:
        pipeline: the pipeline.
        table: the table as it is after the exchange.
        other: the name of the other physical table.
        sink: where.
        connections: how to get there.

    Raises:
        UnavailableError: the sink does not answer.
        ConfigurationError: the warehouse refuses, such as because a view of a reader's depends on the view.
    """
    connection = connections.get(sink.connection)
    if isinstance(sink, ClickHouseSink):
        with mapped_errors(connection):
            client = connect_clickhouse(connection, send_receive_timeout_s=_TIMEOUT_S)
            try:
                _exchange_clickhouse(client, sink, table, other)
            finally:
                client.close()
        return
    objects = WarehouseObjects(pipeline, sink, connections)
    with objects.session() as session:
        _exchange_warehouse(session, sink, table, other)
        objects.replace_view(session, table)


def _exchange_clickhouse(client: Client, sink: ClickHouseSink, table: TableSpec, other: str) -> None:
    raw = quote_ch(sink.raw_database)
    floors = f"{raw}.{quote_ch(clickhouse.FLOORS)}"
    # What truncates have set while the table was filled counts for the table.
    client.command(
        f"INSERT INTO {floors} SELECT {quote_ch_string(table.name)}, generation, lsn FROM {floors} "  # noqa: S608
        f"WHERE table_name = {quote_ch_string(other)}"
    )
    client.command(f"EXCHANGE TABLES {clickhouse.raw_name(sink, table)} AND {raw}.{quote_ch(other)}")
    client.command(clickhouse.create_view(sink, table))


def _exchange_warehouse(session: Any, sink: WarehouseSink, table: TableSpec, other: str) -> None:
    floors = Identifier(sink.raw_schema, warehouse.FLOORS)
    session.execute(
        SQL(
            "INSERT INTO {} (table_name, generation, lsn) SELECT %s, generation, lsn FROM {} "
            "WHERE table_name = %s ON CONFLICT DO NOTHING"
        ).format(floors, floors),
        (table.name, other),
    )
    rename = SQL("ALTER TABLE {} RENAME TO {}")
    between = shorten(f"{other}_", other)
    for before, after in ((table.name, between), (other, table.name), (between, other)):
        session.execute(rename.format(Identifier(sink.raw_schema, before), Identifier(after)))


def _comment(pipeline: Pipeline, table: TableSpec) -> str:
    return f"{table.source} of pipeline {pipeline.name}"


def _builds(names: list[str], mine: re.Pattern[str], keep: str) -> tuple[str, ...]:
    return tuple(name for name in names if mine.fullmatch(name) and name != keep)
