"""PostgreSQL types as the column types of the two sinks."""

from __future__ import annotations

from cdc.types.pgtype import PgType

CLICKHOUSE_MAX_PRECISION = 76
_NEVER_NULLABLE = ("Array(", "Map(")


def clickhouse_type(pg: PgType, *, nullable: bool) -> str:
    """The ClickHouse column type.

    An array or a map cannot be Nullable in ClickHouse: such a nullable column has a companion column (see
    `cdc.ddl`) and the reader's view shows a Variant, so that NULL and the empty array stay apart.
    """
    if pg.dimensions and not pg.in_text:
        # What cannot be NULL as an element travels as text inside an array.
        element = clickhouse_type(pg.element, nullable=True)
        return f"Array({'Nullable(String)' if element.startswith(_NEVER_NULLABLE) else element})"
    name = "String" if pg.in_text else pg.kind.clickhouse
    decimal = clickhouse_decimal(pg)
    if decimal is not None:
        name = f"Decimal({decimal[0]}, {decimal[1]})"
    if not nullable or name.startswith(_NEVER_NULLABLE):
        return name
    if name.startswith("LowCardinality("):
        return "LowCardinality(Nullable(String))"
    return f"Nullable({name})"


def clickhouse_decimal(pg: PgType) -> tuple[int, int] | None:
    """Precision and scale when ClickHouse has a decimal that holds the type."""
    decimal = None if pg.in_text else pg.decimal
    return decimal if decimal is not None and decimal[0] <= CLICKHOUSE_MAX_PRECISION else None


def needs_null_flag(clickhouse: str) -> bool:
    """Whether a nullable column of this ClickHouse type has a companion column that tells NULL."""
    return clickhouse.startswith(_NEVER_NULLABLE)


def warehouse_key_type(pg: PgType) -> str:
    """The type of a key column in the warehouse's physical table.

    Kafka tells keys apart by their texts. Where PostgreSQL holds two texts to be one value (`citext` in upper
    and lower case, a `numeric` as 1.0 and 1.00) the old and the new key of a changed one would meet in one
    row, although nothing orders their events, which may lie in two partitions.
    """
    coarse = pg.base == "citext" or (pg.base == "numeric" and not pg.args)
    return "text" if coarse else warehouse_type(pg)


def warehouse_type(pg: PgType) -> str:
    """The warehouse's column type: the source's own, except where the warehouse has no such type.

    An enum is text, as its labels grow at the source; so is any other type of a user.
    """
    if pg.as_text:
        return "text"
    name = pg.kind.warehouse or str(pg.element)
    return name + ("[]" if pg.dimensions else "")
