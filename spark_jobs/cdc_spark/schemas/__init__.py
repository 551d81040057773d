"""Explicit schemas: source types in Arrow, and the rows between parser and writers."""

from cdc_spark.schemas.arrow import arrow_type
from cdc_spark.schemas.rows import LINEAGE_FIELDS, Operation, row_schema, spark_schema

__all__ = ["LINEAGE_FIELDS", "Operation", "arrow_type", "row_schema", "spark_schema"]
