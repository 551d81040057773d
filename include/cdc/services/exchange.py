"""A table that is built anew in a sink beside the old one, and the exchange of the two.

Both have names from the beginning: the new one is built under the name that the old one has afterwards, so an
exchange is one atomic step in ClickHouse and one transaction in PostgreSQL. The comment of the table with the
dated name tells which of the two it is, so an exchange that was broken off is ended by whoever asks again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

from clickhouse_connect.driver.client import Client
from psycopg.sql import SQL, Identifier, Literal

from cdc.clients.clickhouse import connect_clickhouse, mapped_errors
from cdc.clients.postgres import columns_of, connect_postgres
from cdc.connections import Connections
from cdc.ddl import clickhouse, warehouse
from cdc.ddl.columns import quote_ch, quote_ch_string, sink_columns
from cdc.errors import ConfigurationError
from cdc.services import clickhouse_objects
from cdc.services.warehouse_objects import WarehouseObjects
from cdc.spec import ClickHouseSink, Pipeline, SinkSpec, TableSpec, WarehouseSink
from cdc.spec.names import MAX_IDENTIFIER_BYTES, shorten

_TIMEOUT_S = 120
_BUILD, _DATE, _DIGITS = "__build_", "%Y%m%d%H%M%S", 14


def beside(table: TableSpec, at: datetime) -> TableSpec:
    """The table under a dated name of its own."""
    return table.model_copy(update={"name": f"{_prefix(table)}{at:{_DATE}}"})


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
    if isinstance(sink, ClickHouseSink):
        with _clickhouse(sink, connections) as client:
            comment = _comment(pipeline, table, shadow.name)
            client.command(clickhouse.create_table(sink, shadow, sink_columns(shadow), comment))
        return
    with connect_postgres(connections.get(sink.connection), application_name="cdc-schema") as session:
        for statement in warehouse.statements(pipeline, sink, shadow)[:-1]:
            session.execute(statement)
        _mark(session, pipeline, sink, table, shadow.name)


def discard(table: TableSpec, keep: str, sink: SinkSpec, connections: Connections) -> tuple[str, ...]:
    """Drop every table that was built beside this one, but for the one to keep; returns their names."""
    mine = re.compile(rf"{re.escape(_prefix(table))}\d{{{_DIGITS}}}")
    if isinstance(sink, ClickHouseSink):
        with _clickhouse(sink, connections) as client:
            found = client.query(
                "SELECT name FROM system.tables WHERE database = {d:String}", {"d": sink.raw_database}
            ).result_rows
            names = _builds([row[0] for row in found], mine, keep)
            for name in names:
                client.command(f"DROP TABLE {quote_ch(sink.raw_database)}.{quote_ch(name)}")
        return names
    with connect_postgres(connections.get(sink.connection), application_name="cdc-schema") as session:
        rows = session.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", (sink.raw_schema,)
        ).fetchall()
        names = _builds([row[0] for row in rows], mine, keep)
        for name in names:
            session.execute(SQL("DROP TABLE {}").format(Identifier(sink.raw_schema, name)))
    return names


def exchange(
    pipeline: Pipeline,
    table: TableSpec,
    build: str,
    connections: Connections,
    begun: Callable[[], object] = lambda: None,
    *,
    back: bool = False,
) -> None:
    """Let a table and its new build exchange names in every sink, and readers see the table as it is then.

    A sink that has the wanted table under the name keeps it, so this may be done again until it succeeds.

    How it works: the warehouse, which may refuse or wait for readers, does everything but commit; then
    ClickHouse follows, where each step counts at once; then the warehouse commits. Only what is broken off in
    between leaves some of the sinks exchanged.

    Args:
        pipeline: the pipeline.
        table: the table as it is after the exchange.
        build: the dated name under which the new one was built, and the replaced one is kept.
        connections: how to get to the sinks.
        begun: called when nothing has refused, before the first sink shows the other table.
        back: the replaced table gets the name again; readers see what it has of the columns.

    Raises:
        UnavailableError: a sink does not answer.
        ConfigurationError: the warehouse refuses, such as because a view of a reader's depends on the view;
            or somebody has dropped the table with the dated name.
    """
    clickhouses = [sink for sink in pipeline.sinks if isinstance(sink, ClickHouseSink)]
    with ExitStack() as committed:
        wanted = set()
        for sink in clickhouses:
            with _clickhouse(sink, connections) as client:
                if _to_exchange(_clickhouse_comment(client, sink, build), sink, build, back=back):
                    wanted.add(sink.name)
        for other in pipeline.sinks:
            if isinstance(other, WarehouseSink):
                objects = WarehouseObjects(pipeline, other, connections)
                session = committed.enter_context(objects.session())
                if _to_exchange(_warehouse_comment(session, other, build), other, build, back=back):
                    _exchange_warehouse(session, other, table, build)
                    if back:
                        # `cdc apply` writes the comment of the table that has the name.
                        _mark(session, pipeline, other, table, build)
                    there = columns_of(session, *other.raw_table(table.name))
                    objects.replace_view(session, _as_held(table, there) if back else table)
        begun()
        for sink in clickhouses:
            with _clickhouse(sink, connections) as client:
                if sink.name in wanted:
                    _exchange_clickhouse(client, sink, table, build)
                # A step of its own, which the exchange may have been broken off before.
                there = clickhouse_objects.columns_of(client, *sink.raw_table(table.name))
                client.command(clickhouse.create_view(sink, _as_held(table, there) if back else table))


@contextmanager
def _clickhouse(sink: ClickHouseSink, connections: Connections) -> Iterator[Client]:
    connection = connections.get(sink.connection)
    with mapped_errors(connection):
        client = connect_clickhouse(connection, send_receive_timeout_s=_TIMEOUT_S)
        try:
            yield client
        finally:
            client.close()


def _to_exchange(comment: str | None, sink: SinkSpec, build: str, *, back: bool) -> bool:
    """Whether the table that has the dated name is the one that readers shall see."""
    if comment is None:
        raise ConfigurationError(
            f"sink {sink.name} has no table {build}, which is to be exchanged: somebody has dropped it. "
            "Nothing was exchanged. A new build (`cdc resync`) needs it only after an exchange that was "
            "broken off; give the table another `name` in the pipeline file then, with which it begins anew"
        )
    return comment.endswith(_built_as(build)) is not back


def _as_held(table: TableSpec, names: Collection[str]) -> TableSpec:
    """The table less the columns that the replaced one lacks: the pipeline file may have them by now."""
    columns = tuple(column for column in table.columns if column.name in names)
    derived = tuple(column for column in table.derived if column.name in names)
    return table.model_copy(update={"columns": columns, "derived": derived})


def _clickhouse_comment(client: Client, sink: ClickHouseSink, name: str) -> str | None:
    rows = client.query(
        "SELECT comment FROM system.tables WHERE database = {d:String} AND name = {n:String}",
        {"d": sink.raw_database, "n": name},
    ).result_rows
    return str(rows[0][0]) if rows else None


def _warehouse_comment(session: Any, sink: WarehouseSink, name: str) -> str | None:
    row = session.execute(
        "SELECT coalesce(obj_description(c.oid, 'pg_class'), '') FROM pg_class c "
        "WHERE c.oid = to_regclass(format('%%I.%%I', %s::text, %s::text))",
        (sink.raw_schema, name),
    ).fetchone()
    return row[0] if row else None


def _mark(session: Any, pipeline: Pipeline, sink: WarehouseSink, table: TableSpec, build: str) -> None:
    comment = Literal(_comment(pipeline, table, build))
    session.execute(SQL("COMMENT ON TABLE {} IS {}").format(Identifier(sink.raw_schema, build), comment))


def _exchange_clickhouse(client: Client, sink: ClickHouseSink, table: TableSpec, other: str) -> None:
    raw = quote_ch(sink.raw_database)
    floors = f"{raw}.{quote_ch(clickhouse.FLOORS)}"
    # What truncates have set while the table was filled counts for the table.
    client.command(
        f"INSERT INTO {floors} SELECT {quote_ch_string(table.name)}, generation, lsn FROM {floors} "  # noqa: S608
        f"WHERE table_name = {quote_ch_string(other)}"
    )
    client.command(f"EXCHANGE TABLES {clickhouse.raw_name(sink, table)} AND {raw}.{quote_ch(other)}")


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


def _comment(pipeline: Pipeline, table: TableSpec, build: str) -> str:
    return f"{table.source} of pipeline {pipeline.name}{_built_as(build)}"


def _built_as(build: str) -> str:
    return f", built as {build}"


def _prefix(table: TableSpec) -> str:
    """Of the names of its builds, in which the whole date stays, however long the table's name is."""
    limit = MAX_IDENTIFIER_BYTES - len(_BUILD) - _DIGITS
    return shorten(table.name, table.name, limit) + _BUILD


def _builds(names: list[str], mine: re.Pattern[str], keep: str) -> tuple[str, ...]:
    return tuple(name for name in names if mine.fullmatch(name) and name != keep)
