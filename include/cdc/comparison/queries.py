"""How each side is asked for a table's rows: every column, in an order of the key that all sides share.

Collations and types order differently from server to server, so the order is by bytes for texts and by
value for numbers and times, and `merge` checks that it was kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from cdc.comparison.order import clickhouse_number
from cdc.comparison.window import (
    clickhouse_conditions,
    postgres_conditions,
    where_clickhouse,
    where_postgres,
)
from cdc.ddl.columns import DIFF, quote_ch
from cdc.model.window import Window
from cdc.spec import ColumnSpec, DerivedColumnSpec, TableSpec
from cdc.types import PgType

CLICKHOUSE_SETTINGS: dict[str, str | int] = {
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_decimals": 1,
    "output_format_json_quote_denormals": 1,
    "session_timezone": "UTC",
    "date_time_output_format": "simple",
    # A table beyond this is sorted on disk, so that a comparison does not take the server's memory.
    "max_bytes_before_external_sort": 500_000_000,
    # A list of keys or buckets.
    "max_query_size": 50_000_000,
}

_PLAIN = frozenset({"smallint", "integer", "bigint", "oid", "real", "double precision", "boolean"})
_TEXT_ELEMENTS = frozenset({"text", "jsonb", "hstore"})
_ORDERED_BY_VALUE = frozenset(
    {"smallint", "integer", "bigint", "oid", "money", "boolean", "numeric", "uuid", "date", "bytea",
     "timestamp with time zone", "timestamp without time zone", "time without time zone"}
)  # fmt: skip


def compared_columns(table: TableSpec) -> tuple[ColumnSpec, ...]:
    """The source's columns, those of the key first: the order of every row that `merge` sees."""
    rest = tuple(column for column in table.live_columns if column.name not in table.key)
    return (*table.key_columns, *rest)


def postgres_query(
    table: TableSpec, relation: tuple[str, str], *, derived: bool, window: Window | None = None
) -> sql.Composed:
    """The query on the source, or on the warehouse's view with its derived columns.

    Of a changelog: the source's rows in any order, or the view's with how each counts as last column.
    """
    columns: list[DerivedColumnSpec] = [*compared_columns(table), *(table.derived if derived else ())]
    if table.changelog:
        values = [_postgres_value(column.name, column.pg_type) for column in columns]
        values += [sql.Identifier(DIFF)] if derived else []
        counted = sql.SQL(" WHERE {} <> 0").format(sql.Identifier(DIFF)) if derived else sql.SQL("")
        return sql.SQL("SELECT {} FROM {}{}").format(
            sql.SQL(", ").join(values), sql.Identifier(*relation), counted
        )
    return sql.SQL("SELECT {} FROM {} AS _cdc_t{} ORDER BY {}").format(
        postgres_values(columns),
        sql.Identifier(*relation),
        where_postgres(postgres_conditions(table, window)),
        sql.SQL(", ").join(_postgres_order(column.name, column.pg_type) for column in table.key_columns),
    )


def clickhouse_query(table: TableSpec, relation: tuple[str, str], window: Window | None = None) -> str:
    """The query on ClickHouse's view, derived columns included; of a changelog as in `postgres_query`."""
    columns: list[DerivedColumnSpec] = [*compared_columns(table), *table.derived]
    values = clickhouse_values(columns)
    order = ", ".join(_clickhouse_order(column.name, column.pg_type) for column in table.key_columns)
    view = ".".join(map(quote_ch, relation))
    if table.changelog:
        return f"SELECT {values}, {DIFF} AS diff FROM {view} WHERE {DIFF} != 0"  # noqa: S608 - as below
    where = where_clickhouse(clickhouse_conditions(table, window))
    return f"SELECT {values} FROM {view}{where} ORDER BY {order}"  # noqa: S608 - identifiers are quoted


def postgres_values(columns: Iterable[DerivedColumnSpec]) -> sql.Composed:
    """The select list of PostgreSQL's values of these columns."""
    return sql.SQL(", ").join(_postgres_value(column.name, column.pg_type) for column in columns)


def clickhouse_values(columns: Iterable[DerivedColumnSpec]) -> str:
    """The same for ClickHouse."""
    # An alias with the column's name would take the column's place in ORDER BY.
    return ", ".join(f"{_clickhouse_value(c.name, c.pg_type)} AS _cdc_c{i}" for i, c in enumerate(columns))


def _postgres_value(name: str, pg: PgType) -> sql.Composable:
    column = sql.Identifier(name)
    if pg.base == "xml" and not pg.dimensions:
        # As a client sees it: a cast would print a declaration that the type's own output leaves out.
        return column
    if pg.in_text and (pg.dimensions or pg.base != "money"):
        return sql.SQL("{}::text").format(column)
    if pg.dimensions:
        # array_to_json leaves out where an array begins, which Debezium does not send, and makes objects of
        # composites and documents.
        listed = "{0}::text[]" if pg.kind.compare in _TEXT_ELEMENTS else "{0}"
        if pg.base == "money":
            listed = "{0}::numeric[]"
        return sql.SQL(
            "CASE WHEN array_lower({0}, 1) <> 1 THEN to_json({0}::text)::text ELSE array_to_json("
            + listed
            + ")::text END"
        ).format(column)
    if pg.base in _PLAIN:
        return column
    if pg.base == "bytea":
        return sql.SQL("encode({}, 'hex')").format(column)
    if pg.base == "money":
        # Its text follows the server's locale.
        return sql.SQL("{}::numeric::text").format(column)
    return sql.SQL("{}::text").format(column)


def _postgres_order(name: str, pg: PgType) -> sql.Composable:
    # A bare name would be the output column's, which is a text.
    column = sql.Identifier("_cdc_t", name)
    return column if pg.base in _ORDERED_BY_VALUE else sql.SQL('{}::text COLLATE "C"').format(column)


def _clickhouse_value(name: str, pg: PgType) -> str:
    column = quote_ch(name)
    if pg.in_text:
        return column
    if pg.dimensions and pg.base == "bytea":
        plain = f"variantElement({column}::Variant(Array(Nullable(String))), 'Array(Nullable(String))')"
        listed = f"arrayMap(x -> concat('\\\\x', lower(hex(x))), {plain})"
        return f"if(isNull({column}), NULL, toJSONString({listed}))"
    if pg.dimensions or pg.base == "hstore":
        return f"toJSONString({column})"
    if pg.base in _PLAIN:
        return column
    if pg.base == "bytea":
        return f"lower(hex({column}))"
    return f"toString({column})"


def _clickhouse_order(name: str, pg: PgType) -> str:
    column = quote_ch(name)
    if pg.base == "uuid" or pg.base in ("xid", "xid8"):
        return f"toString({column})"
    if pg.base == "character":
        return f"trimRight({column})"
    return clickhouse_number(column, pg) if pg.base == "numeric" else column
