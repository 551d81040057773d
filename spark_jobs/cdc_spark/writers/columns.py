"""Rows as they travel → the columns of a sink's physical table, in the order of `cdc.ddl.columns`. Pure."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cdc.ddl.columns import SinkColumn
from cdc.types.sinks import CLICKHOUSE_MAX_PRECISION
from cdc_spark.schemas.arrow import exact_decimal
from cdc_spark.schemas.rows import Operation

_NO_UUID = "00000000-0000-0000-0000-000000000000"
_UNSIGNED = {"_version": pa.uint64(), "_lsn": pa.uint64()}


def for_clickhouse(rows: pa.Table, columns: tuple[SinkColumn, ...]) -> pa.Table:
    """Every column that ClickHouse's physical table has."""
    return pa.table({column.name: _clickhouse(rows, column) for column in columns if column.clickhouse})


def for_warehouse(rows: pa.Table, columns: tuple[SinkColumn, ...]) -> pa.Table:
    """Every column that the warehouse's physical table has, in types that Arrow writes as CSV for COPY."""
    return pa.table({column.name: _warehouse(rows, column) for column in columns if column.warehouse})


def _clickhouse(rows: pa.Table, column: SinkColumn) -> pa.ChunkedArray:
    if column.kind == "null_flag":
        return rows[column.of].is_null().cast(pa.uint8())
    if column.name == "_is_deleted":
        return _is_deleted(rows).cast(pa.uint8())
    if column.name == "_generation":
        return _generation(rows).cast(pa.uint16())
    values = rows[column.name]
    if column.kind == "lineage":
        return values.cast(_UNSIGNED.get(column.name, values.type))
    wide = exact_decimal(column.pg_type, CLICKHOUSE_MAX_PRECISION) if column.pg_type else None
    if wide is not None and pa.types.is_string(values.type):
        return values.cast(pa.decimal256(*wide))
    if column.clickhouse == "UUID":
        # A tombstone has none, and ClickHouse reads its text before it would take the default.
        return values.fill_null(_NO_UUID)
    return values


def _warehouse(rows: pa.Table, column: SinkColumn) -> pa.ChunkedArray | pa.Array:
    if column.name == "_is_deleted":
        return _is_deleted(rows)
    if column.name == "_generation":
        return _generation(rows)
    values = rows[column.name]
    if pa.types.is_binary(values.type):
        return pa.array([None if v is None else f"\\x{v.hex()}" for v in values.to_pylist()], pa.string())
    if pa.types.is_list(values.type):
        return array_literals(values)
    return values


def array_literals(values: pa.ChunkedArray) -> pa.Array:
    """Lists as PostgreSQL's array literals, every element in quotes and NULL without."""
    text = values.cast(pa.list_(pa.string()))
    return pa.array(
        [None if v is None else f"{{{','.join(map(_element, v))}}}" for v in text.to_pylist()], pa.string()
    )


def _element(value: str | None) -> str:
    if value is None:
        return "NULL"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_deleted(rows: pa.Table) -> pa.ChunkedArray:
    return pc.equal(rows["_op"], pa.scalar(str(Operation.DELETE)))


def _generation(rows: pa.Table) -> pa.ChunkedArray:
    return pc.shift_right(rows["_version"], pa.scalar(48, pa.int64()))
