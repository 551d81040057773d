"""Rows of ClickHouse's physical table as they are read back → as the parser made them. Pure.

The opposite of `writers.columns`; both follow `cdc.ddl.columns`.
"""

from __future__ import annotations

import orjson
import pyarrow as pa

from cdc.ddl.clickhouse import raw_name
from cdc.ddl.columns import SinkColumn, quote_ch, sink_columns
from cdc.spec import ClickHouseSink, TableSpec
from cdc.spec.tables import NULL_FLAG_PREFIX
from cdc_spark.schemas.arrow import arrow_type

ARROW_SETTINGS = {"output_format_arrow_low_cardinality_as_dictionary": 0}
WANTED = "wanted_keys"
"""The external table of keys that a query for rows brings along."""
_TIMES = ("Time64(6)", "Nullable(Time64(6))")
_MARKS = {"_version": pa.int64(), "_lsn": pa.int64(), "_is_deleted": pa.bool_()}


def newest_rows(sink: ClickHouseSink, table: TableSpec) -> str:
    """The query for the newest row of each wanted key; FINAL would hide tombstones."""
    kinds = ("key", "source", "null_flag")
    shown = ", ".join(
        _shown(c)
        for c in sink_columns(table)
        if (c.kind in kinds or c.name in _MARKS) and not {c.name, c.of} & table.unsent
    )
    key = ", ".join(f"raw.{quote_ch(name)}" for name in table.key)
    return (
        f"SELECT {shown} FROM {raw_name(sink, table)} AS raw WHERE ({key}) IN (SELECT * FROM {WANTED}) "  # noqa: S608
        f"ORDER BY raw._version DESC, raw.processed_at DESC LIMIT 1 BY {key}"
    )


def _shown(column: SinkColumn) -> str:
    name = quote_ch(column.name)
    if column.clickhouse in _TIMES:
        # Arrow's time of day ends before 24:00:00.
        return f"toString(raw.{name}) AS {name}"
    if column.pg_type is None or column.pg_type.base != "uuid":
        return f"raw.{name} AS {name}"
    # Arrow has no UUID that ClickHouse writes.
    text = f"arrayMap(u -> toString(u), raw.{name})" if column.pg_type.dimensions else f"toString(raw.{name})"
    return f"{text} AS {name}"


def from_clickhouse(read: pa.Table, columns: tuple[SinkColumn, ...]) -> pa.Table:
    """The source columns as the parser makes them, then the marks.

    What is read at the source fills nothing, so it is not among what was read, and NULL.

    Args:
        read: the other columns, the null flags and the marks.
        columns: the table's, in their order.
    """
    source = {
        column.name: _value(read, column, arrow_type(column.pg_type))
        for column in columns
        if column.kind in ("key", "source") and column.pg_type is not None
    }
    marks = {name: read[name].cast(kind) for name, kind in _MARKS.items()}
    return pa.table({**source, **marks})


def _value(read: pa.Table, column: SinkColumn, kind: pa.DataType) -> pa.ChunkedArray:
    if column.name not in read.column_names:
        return pa.chunked_array([pa.nulls(read.num_rows, kind)])
    values = read[column.name]
    if NULL_FLAG_PREFIX + column.name in read.column_names:
        flags = read[NULL_FLAG_PREFIX + column.name].to_pylist()
        values = values.take(pa.array([None if flag else at for at, flag in enumerate(flags)], pa.int64()))
    if pa.types.is_map(values.type):
        return pa.chunked_array([[_json_object(value) for value in values.to_pylist()]], kind)
    if column.clickhouse in _TIMES:
        return pa.chunked_array([[_short(value) for value in values.cast(kind).to_pylist()]], kind)
    if pa.types.is_timestamp(kind) and kind.tz is None:
        # ClickHouse has no time without a zone; the column's is UTC.
        return pa.chunked_array(
            [c.cast(pa.timestamp("us", tz="UTC")).view(kind) for c in values.chunks], kind
        )
    if pa.types.is_list(kind) and pa.types.is_timestamp(kind.value_type) and kind.value_type.tz is None:
        return values.cast(pa.list_(pa.timestamp("us", tz="UTC"))).cast(kind)
    return values.cast(kind)


def _json_object(pairs: list[tuple[bytes, bytes | None]] | None) -> str | None:
    """A Map as Debezium's JSON of an hstore."""
    if pairs is None:
        return None
    texts = {key.decode(): None if value is None else value.decode() for key, value in pairs}
    return orjson.dumps(texts).decode()


def _short(time: str | None) -> str | None:
    """A time of day without trailing zeros, as PostgreSQL prints it."""
    return time.rstrip("0").rstrip(".") if time is not None and "." in time else time
