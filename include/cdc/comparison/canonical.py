"""One text for each value, the same in PostgreSQL and in ClickHouse, computed inside each of them.

`checksums` hashes these texts. Two values with one text are the same value; the opposite is not promised
(JSON written in another way), and only costs that the rows are looked at. Types whose texts differ although
the values are the same are in `BY_ROWS`: a table with one is compared row by row.
"""

from __future__ import annotations

from psycopg import sql

from cdc.ddl.columns import quote_ch, quote_ch_string
from cdc.spec import DerivedColumnSpec
from cdc.types import PgType, clickhouse_type, needs_null_flag
from cdc.types.sinks import clickhouse_decimal

NULL = "~"
BY_ROWS = frozenset({"interval", "hstore"})
"""Types that Debezium writes in another form than PostgreSQL prints, or whose parts have no order."""
_TEXT_BY_ROWS = frozenset({"interval", "money", "inet"})
"""Types that a column `as: text` holds in Debezium's form."""

_FIXED = frozenset(
    {"smallint", "integer", "bigint", "oid", "xid", "xid8", "real", "double precision", "numeric", "money",
     "boolean", "uuid", "date", "timestamp with time zone", "timestamp without time zone",
     "time without time zone", "bytea", "bit", "inet", "cidr", "macaddr", "macaddr8", "pg_lsn"}
)  # fmt: skip
"""Types in whose texts no separator can occur; the others are preceded by their length."""
_FLOATS = {"real": "float4send", "double precision": "float8send"}
_POSTGRES = {
    **{
        base: "CASE WHEN {0} = 0 THEN '0' WHEN {0} = 'NaN' THEN 'NaN' ELSE encode("
        + send
        + "({0}), 'hex') END"
        for base, send in _FLOATS.items()
    },
    "bytea": "encode({0}, 'hex')",
    # The cast to text adds the full prefix length to a host.
    "inet": (
        "CASE WHEN masklen({0}) = CASE family({0}) WHEN 4 THEN 32 ELSE 128 END THEN host({0}) "
        "ELSE {0}::text END"
    ),
}
_FLOAT_BITS = "multiIf({0} = 0, '0', isNaN({0}), 'NaN', lower(hex(reverse(reinterpretAsFixedString({0})))))"
_MOMENT = r"replaceRegexpOne(toString({0}), '\\.?0+$', '')"
_CLICKHOUSE = {
    "real": _FLOAT_BITS,
    "double precision": _FLOAT_BITS,
    "bytea": "lower(hex({0}))",
    "character": "trimRight({0})",
    "timestamp with time zone": f"concat({_MOMENT}, '+00')",
    "timestamp without time zone": _MOMENT,
    "time without time zone": _MOMENT,
}


def is_rendered_alike(pg: PgType) -> bool:
    """Whether equal values of this type have equal texts on all sides."""
    if pg.in_text:
        return pg.base not in (BY_ROWS | _TEXT_BY_ROWS)
    # PostgreSQL unfolds an array of composites into their columns.
    return pg.base not in BY_ROWS and not (pg.dimensions and pg.base == "other")


def trims_zeros(pg: PgType) -> bool:
    """Whether a number's text has no zeros at the end of its fraction, as ClickHouse writes a decimal."""
    return not pg.in_text and pg.base in ("numeric", "money") and clickhouse_decimal(pg) is not None


def is_framed(pg: PgType) -> bool:
    """Whether a value's text is preceded by its length."""
    return pg.in_text or pg.base not in _FIXED


def postgres_text(column: DerivedColumnSpec) -> sql.Composed:
    """The text of a column at the source or in the warehouse's view; NULL is a text too."""
    pg, name = column.pg_type, sql.Identifier(column.name)
    if pg.dimensions and not pg.in_text:
        return sql.SQL("coalesce({}, {})").format(_postgres_array(name, pg.element), sql.Literal(NULL))
    return sql.SQL("coalesce({}, {})").format(_postgres_framed(name, pg), sql.Literal(NULL))


def clickhouse_text(column: DerivedColumnSpec, *, nullable: bool) -> str:
    """The same text of a column of ClickHouse's view.

    Args:
        column: the column.
        nullable: whether the view's column can be NULL; an array is a Variant then.
    """
    pg, name = column.pg_type, quote_ch(column.name)
    if pg.dimensions and not pg.in_text:
        kind = clickhouse_type(pg, nullable=nullable)
        plain = (
            f"variantElement({name}, {quote_ch_string(kind)})" if nullable and needs_null_flag(kind) else name
        )
        element = _clickhouse_framed("assumeNotNull(x)", pg.element)
        listed = f"arrayStringConcat(arrayMap(x -> if(isNull(x), '{NULL}', {element}), {plain}), ',')"
        return f"if(isNull({name}), '{NULL}', concat('[', {listed}, ']'))"
    if not nullable:
        return _clickhouse_framed(name, pg)
    return f"if(isNull({name}), '{NULL}', {_clickhouse_framed(f'assumeNotNull({name})', pg)})"


def _postgres_plain(name: sql.Composable, pg: PgType) -> sql.Composed:
    template = "{0}::text" if pg.in_text else _POSTGRES.get(pg.base, "{0}::text")
    if trims_zeros(pg):
        template = "trim_scale({0}::numeric)::text"
    return sql.SQL(template).format(name)


def _postgres_framed(name: sql.Composable, pg: PgType) -> sql.Composed:
    text = _postgres_plain(name, pg)
    if not is_framed(pg):
        return text
    return sql.SQL("octet_length({0})::text || ':' || {0}").format(text)


def _postgres_array(name: sql.Composable, element: PgType) -> sql.Composed:
    # One with another shape, which the events do not tell, is a text that no sink's array has.
    return sql.SQL(
        "CASE WHEN {0} IS NULL THEN NULL WHEN array_ndims({0}) > 1 OR array_lower({0}, 1) <> 1 "
        "THEN '!' || octet_length({0}::text) || ':' || {0}::text "
        "ELSE '[' || coalesce((SELECT string_agg(coalesce({1}, {2}), ',' ORDER BY n) "
        "FROM unnest({0}) WITH ORDINALITY AS e (x, n)), '') || ']' END"
    ).format(name, _postgres_framed(sql.Identifier("x"), element), sql.Literal(NULL))


def _clickhouse_plain(value: str, pg: PgType) -> str:
    if pg.in_text:
        return value
    return _CLICKHOUSE.get(pg.base, "toString({0})").format(value)


def _clickhouse_framed(value: str, pg: PgType) -> str:
    text = _clickhouse_plain(value, pg)
    if not is_framed(pg):
        return text
    return f"concat(toString(length({text})), ':', {text})"
