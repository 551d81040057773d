"""The rows of a window, by the same bounds in every database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from psycopg import sql

from cdc.ddl.columns import quote_ch
from cdc.model.window import Window
from cdc.spec import ColumnSpec, TableSpec


def window_column(table: TableSpec) -> ColumnSpec | None:
    """The column by which a table's rows lie in windows; None when all of the table is in each."""
    return next((column for column in table.live_columns if column.name == table.event_time), None)


def postgres_conditions(table: TableSpec, window: Window | None) -> list[sql.Composed]:
    """What holds for a window's rows at the source and in the warehouse; nothing where all rows are meant.

    A date is its midnight, and a timestamp without a zone is UTC.
    """
    column = window_column(table)
    if window is None or column is None:
        return []
    zoned = column.pg_type.base == "timestamp with time zone"
    bounds = [sql.Literal(_text(at) + ("+00" if zoned else "")) for at in _bounds(window)]
    template = "({0} >= {1}::timestamptz AND {0} < {2}::timestamptz)"
    if not zoned:
        template = "({0} >= {1}::timestamp AND {0} < {2}::timestamp)"
    return [sql.SQL(template).format(sql.Identifier(column.name), *bounds)]


def clickhouse_conditions(table: TableSpec, window: Window | None) -> list[str]:
    """The same for ClickHouse's view."""
    column = window_column(table)
    if window is None or column is None:
        return []
    name = quote_ch(column.name)
    begin, end = (f"toDateTime64('{_text(at)}', 6, 'UTC')" for at in _bounds(window))
    return [f"({name} >= {begin} AND {name} < {end})"]


def where_postgres(conditions: Sequence[sql.Composed]) -> sql.Composed:
    """` WHERE …`, or nothing."""
    if not conditions:
        return sql.Composed([])
    return sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(conditions))


def where_clickhouse(conditions: Sequence[str]) -> str:
    """` WHERE …`, or nothing."""
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _bounds(window: Window) -> tuple[datetime, datetime]:
    return window.begin.astimezone(UTC), window.end.astimezone(UTC)


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"
