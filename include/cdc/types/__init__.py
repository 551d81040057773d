"""The one type map: a PostgreSQL type, as Debezium sends it, in Spark and in both sinks."""

from cdc.types.pgtype import PgType, parse_type
from cdc.types.sinks import clickhouse_type, needs_null_flag, warehouse_key_type, warehouse_type
from cdc.types.spark import spark_type

__all__ = [
    "PgType",
    "clickhouse_type",
    "needs_null_flag",
    "parse_type",
    "spark_type",
    "warehouse_key_type",
    "warehouse_type",
]
