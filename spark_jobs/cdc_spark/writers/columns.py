"""Rows as they travel → the columns of a sink's physical table, in the order of `cdc.ddl.columns`. Pure."""

from __future__ import annotations

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from cdc.ddl.columns import DIFF, SinkColumn
from cdc.types import PgType
from cdc.types.sinks import clickhouse_decimal
from cdc_spark.schemas.rows import Operation
from cdc_spark.transformations.encodings import hstore_texts
from cdc_spark.transformations.postgres_text import BOX_SEPARATOR, for_copy, texts

_FILLERS = {"UUID": "00000000-0000-0000-0000-000000000000", "Time64(6)": "00:00:00"}
"""A tombstone has no values, and ClickHouse reads a text of these types before it would take the default."""
_UNSIGNED = {"_version": pa.uint64(), "_lsn": pa.uint64()}
_UNSIGNED_SOURCE = {"oid": pa.uint32(), "xid": pa.uint32(), "xid8": pa.uint64()}
_MAP = pa.map_(pa.string(), pa.string())


def for_clickhouse(rows: pa.Table, columns: tuple[SinkColumn, ...]) -> pa.Table:
    """Every column that ClickHouse's physical table has."""
    return pa.table({column.name: _clickhouse(rows, column) for column in columns if column.clickhouse})


def for_warehouse(rows: pa.Table, columns: tuple[SinkColumn, ...]) -> pa.Table:
    """Every column that the warehouse's physical table has, in types that Arrow writes as CSV for COPY."""
    written = {column.name: _warehouse(rows, column) for column in columns if column.warehouse}
    for name, exact in _exact(rows).items():
        written[name] = _with_texts(written[name], exact)
    return pa.table(written)


def _exact(rows: pa.Table) -> dict[str, dict[int, str]]:
    """By column and the row's position, the values that travel as PostgreSQL's own text."""
    found: dict[str, dict[int, str]] = {}
    notes = rows["_note"]
    if notes.null_count == rows.num_rows:
        return found
    for position, note in enumerate(notes.to_pylist()):
        for name, text in orjson.loads(note or "{}").items():
            found.setdefault(name, {})[position] = text
    return found


def _with_texts(values: pa.ChunkedArray | pa.Array, exact: dict[int, str]) -> pa.Array:
    known = texts(pa.chunked_array([values]) if isinstance(values, pa.Array) else values)
    return pa.array([exact.get(position, text) for position, text in enumerate(known)], pa.string())


def _clickhouse(rows: pa.Table, column: SinkColumn) -> pa.ChunkedArray:
    if column.kind == "null_flag":
        return rows[column.of].is_null().cast(pa.uint8())
    if column.name == "_is_deleted":
        return _is_deleted(rows).cast(pa.uint8())
    if column.name == DIFF and column.kind == "lineage":
        return _diff(rows)
    if column.name == "_generation":
        return _generation(rows).cast(pa.uint16())
    values = rows[column.name]
    if column.kind == "lineage":
        return values.cast(_UNSIGNED.get(column.name, values.type))
    return values if column.pg_type is None else _clickhouse_value(values, column, column.pg_type)


def _clickhouse_value(values: pa.ChunkedArray, column: SinkColumn, pg: PgType) -> pa.ChunkedArray | pa.Array:
    wide = clickhouse_decimal(pg)
    if wide is not None and pa.types.is_string(values.type):
        return values.cast(pa.decimal256(*wide))
    if pg.base == "xid8" and pg.dimensions == 1 and not pg.in_text:
        return values.cast(pa.list_(_UNSIGNED_SOURCE[pg.base]))
    if pg.in_text or pg.dimensions:
        return values
    if pg.base in _UNSIGNED_SOURCE:
        return values.cast(_UNSIGNED_SOURCE[pg.base])
    if pg.base == "hstore":
        return pa.array(
            [None if v is None else list(orjson.loads(v).items()) for v in values.to_pylist()], _MAP
        )
    filler = _FILLERS.get(column.clickhouse)
    return values if filler is None else values.fill_null(filler)


def _warehouse(rows: pa.Table, column: SinkColumn) -> pa.ChunkedArray | pa.Array:
    if column.name == "_is_deleted":
        return _is_deleted(rows)
    if column.name == DIFF and column.kind == "lineage":
        return _diff(rows)
    if column.name == "_generation":
        return _generation(rows)
    values = rows[column.name]
    if column.warehouse in ("hstore", "hstore[]"):
        values = hstore_texts(values)
    if column.warehouse == "box[]":
        return pa.array(texts(values, BOX_SEPARATOR), pa.string())
    return for_copy(values)


def _is_deleted(rows: pa.Table) -> pa.ChunkedArray:
    return pc.equal(rows["_op"], pa.scalar(str(Operation.DELETE)))


def _diff(rows: pa.Table) -> pa.ChunkedArray:
    went = pc.is_in(rows["_op"], pa.array([Operation.BEFORE, Operation.DELETE], pa.string()))
    neither = pc.is_in(rows["_op"], pa.array([Operation.EMPTIED, Operation.SNAPSHOT], pa.string()))
    came = pc.if_else(neither, pa.scalar(0, pa.int8()), pa.scalar(1, pa.int8()))
    return pc.if_else(went, pa.scalar(-1, pa.int8()), came)


def _generation(rows: pa.Table) -> pa.ChunkedArray:
    return pc.shift_right(rows["_version"], pa.scalar(48, pa.int64()))
