"""PostgreSQL types as Arrow types: the same choice as `cdc.types.spark_type`, for Spark's Python workers."""

from __future__ import annotations

import pyarrow as pa

from cdc.types import PgType
from cdc.types.spark import SPARK_MAX_PRECISION

_SCALARS = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    "timestamp without time zone": pa.timestamp("us"),
}


def exact_decimal(pg: PgType, limit: int = SPARK_MAX_PRECISION) -> tuple[int, int] | None:
    """Precision and scale when a numeric has both and at most `limit` digits, else None."""
    if pg.base != "numeric" or not pg.args or pg.args[0] > limit:
        return None
    scale = pg.args[1] if len(pg.args) > 1 else 0
    return (pg.args[0], scale) if scale <= pg.args[0] else None


def arrow_type(pg: PgType) -> pa.DataType:
    """The Arrow type in which a value travels from the parser to the writers."""
    if pg.dimensions:
        return pa.list_(arrow_type(pg.element))
    decimal = exact_decimal(pg)
    if decimal is not None:
        return pa.decimal128(*decimal)
    return _SCALARS.get(pg.base, pa.string())
