"""PostgreSQL types as the column types of the two sinks."""

from __future__ import annotations

from cdc.types.pgtype import PgType

_CLICKHOUSE = {
    "smallint": "Int16",
    "integer": "Int32",
    "bigint": "Int64",
    "real": "Float32",
    "double precision": "Float64",
    "boolean": "Bool",
    "uuid": "UUID",
    "date": "Date32",
    "timestamp with time zone": "DateTime64(6, 'UTC')",
    "timestamp without time zone": "DateTime64(6, 'UTC')",
    "enum": "LowCardinality(String)",
}
CLICKHOUSE_MAX_PRECISION = 76


def clickhouse_type(pg: PgType, *, nullable: bool) -> str:
    """The ClickHouse column type.

    An array cannot be Nullable in ClickHouse: a nullable array column has a companion column (see `cdc.ddl`)
    and the reader's view shows a Variant, so that NULL and the empty array stay apart.
    """
    if pg.dimensions:
        return f"Array({clickhouse_type(pg.element, nullable=True)})"
    name = _CLICKHOUSE.get(pg.base, "String")
    if pg.base == "numeric" and pg.args and pg.args[0] <= CLICKHOUSE_MAX_PRECISION:
        scale = pg.args[1] if len(pg.args) > 1 else 0
        if scale <= pg.args[0]:
            name = f"Decimal({pg.args[0]}, {scale})"
    if not nullable:
        return name
    if name.startswith("LowCardinality("):
        return "LowCardinality(Nullable(String))"
    return f"Nullable({name})"


def warehouse_type(pg: PgType) -> str:
    """The warehouse's column type: the source's own; an enum is text, as its labels grow at the source."""
    base = PgType("text", (), pg.dimensions) if pg.base == "enum" else pg
    return str(base)
