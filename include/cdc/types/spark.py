"""PostgreSQL types as Spark types in the JSON form of `StructType.fromJson`; no Spark is needed here."""

from __future__ import annotations

from typing import Any

from cdc.types.pgtype import PgType

SPARK_MAX_PRECISION = 38


def spark_type(pg: PgType) -> str | dict[str, Any]:
    """The Spark type in which a value travels from the parser to the writers.

    What Spark has no exact type for travels as text: a numeric without a precision or with more than 38
    digits, json, uuid, enums, time, interval, network addresses, ranges, shapes.
    """
    if pg.in_text:
        return "string"
    if pg.dimensions:
        return {"type": "array", "elementType": spark_type(pg.element), "containsNull": True}
    decimal = spark_decimal(pg)
    return pg.kind.spark if decimal is None else f"decimal({decimal[0]},{decimal[1]})"


def spark_decimal(pg: PgType) -> tuple[int, int] | None:
    """Precision and scale when Spark has a decimal that holds the type."""
    decimal = None if pg.in_text else pg.decimal
    return decimal if decimal is not None and decimal[0] <= SPARK_MAX_PRECISION else None
