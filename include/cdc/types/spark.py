"""PostgreSQL types as Spark types in the JSON form of `StructType.fromJson`; no Spark is needed here."""

from __future__ import annotations

from typing import Any

from cdc.types.pgtype import PgType

_SCALARS = {
    "smallint": "short",
    "integer": "integer",
    "bigint": "long",
    "real": "float",
    "double precision": "double",
    "boolean": "boolean",
    "bytea": "binary",
    "date": "date",
    "timestamp with time zone": "timestamp",
    "timestamp without time zone": "timestamp_ntz",
}
SPARK_MAX_PRECISION = 38


def spark_type(pg: PgType) -> str | dict[str, Any]:
    """The Spark type in which a value travels from the parser to the writers.

    What Spark has no exact type for travels as PostgreSQL's own text: a numeric without a precision or with
    more than 38 digits, json, uuid, enums, time, interval, network addresses.
    """
    if pg.dimensions:
        return {"type": "array", "elementType": spark_type(pg.element), "containsNull": True}
    if pg.base == "numeric" and pg.args and pg.args[0] <= SPARK_MAX_PRECISION:
        precision, scale = pg.args[0], pg.args[1] if len(pg.args) > 1 else 0
        if scale <= precision:
            return f"decimal({precision},{scale})"
    return _SCALARS.get(pg.base, "string")
