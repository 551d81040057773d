"""PostgreSQL types as Arrow types: the same choice as `cdc.types.spark_type`, for Spark's Python workers."""

from __future__ import annotations

import pyarrow as pa

from cdc.types import PgType
from cdc.types.spark import spark_decimal

_OF_SPARK = {
    "short": pa.int16(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "timestamp_ntz": pa.timestamp("us"),
    "string": pa.string(),
}


def arrow_type(pg: PgType) -> pa.DataType:
    """The Arrow type in which a value travels from the parser to the writers."""
    if pg.in_text:
        return pa.string()
    if pg.dimensions:
        return pa.list_(arrow_type(pg.element))
    decimal = spark_decimal(pg)
    return pa.decimal128(*decimal) if decimal is not None else _OF_SPARK[pg.kind.spark]
