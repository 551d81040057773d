"""ClickHouse's side: the physical ReplacingMergeTree table and the readers' view of current rows.

Every statement can be run again. A column that is new in the pipeline is added; a view is replaced.
"""

from __future__ import annotations

from functools import partial

from cdc.ddl.columns import (
    DIFF,
    OPERATIONS,
    SinkColumn,
    quote_ch,
    quote_ch_string,
    sink_columns,
    view_columns,
)
from cdc.spec import ClickHouseSink, Pipeline, TableSpec
from cdc.spec.tables import NULL_FLAG_PREFIX
from cdc.types import needs_null_flag

FLOORS = "_truncate_floors"


def statements(pipeline: Pipeline, sink: ClickHouseSink, table: TableSpec) -> tuple[str, ...]:
    """Everything `table` needs in `sink`, in order."""
    columns = sink_columns(table)
    return (
        *database_statements(sink),
        create_table(sink, table, columns, comment=f"{table.source} of pipeline {pipeline.name}"),
        *(
            f"ALTER TABLE {raw_name(sink, table)} ADD COLUMN IF NOT EXISTS {_definition(column)}"
            for column in columns
            if column.kind in ("source", "derived", "null_flag")
        ),
        create_view(sink, table),
    )


def database_statements(sink: ClickHouseSink) -> tuple[str, ...]:
    """The two databases, and the table of truncate floors that every view reads."""
    raw = quote_ch(sink.raw_database)
    return (
        f"CREATE DATABASE IF NOT EXISTS {raw}",
        f"CREATE DATABASE IF NOT EXISTS {quote_ch(sink.view_database)}",
        (
            f"CREATE TABLE IF NOT EXISTS {raw}.{quote_ch(FLOORS)} "
            "(table_name String, generation UInt16, lsn UInt64) "
            "ENGINE = ReplacingMergeTree ORDER BY (table_name, generation, lsn)"
        ),
    )


def raw_name(sink: ClickHouseSink, table: TableSpec) -> str:
    """The physical table, quoted."""
    return ".".join(map(quote_ch, sink.raw_table(table.name)))


def view_name(sink: ClickHouseSink, table: TableSpec) -> str:
    """The readers' view, quoted."""
    return ".".join(map(quote_ch, sink.view(table.name)))


def create_table(
    sink: ClickHouseSink, table: TableSpec, columns: tuple[SinkColumn, ...], comment: str = ""
) -> str:
    """`CREATE TABLE`, ordered by exactly what tells rows apart, so that every version meets its others."""
    body = ",\n  ".join(_definition(column) for column in columns if column.clickhouse)
    key = ", ".join(map(quote_ch, table.identity))
    if table.changelog:
        engine, settings = "ReplacingMergeTree(_version)", ""
    else:
        engine = "ReplacingMergeTree(_version, _is_deleted)"
        settings = "SETTINGS allow_experimental_replacing_merge_with_cleanup = 1\n"
    return (
        f"CREATE TABLE IF NOT EXISTS {raw_name(sink, table)} (\n  {body}\n)\n"
        f"ENGINE = {engine} ORDER BY ({key})\n{settings}"
        f"COMMENT {quote_ch_string(comment)}"
    )


def create_view(sink: ClickHouseSink, table: TableSpec) -> str:
    """The view of current rows: newest version of each key, not deleted, not below the truncate floor.

    A changelog's view has every event; what a TRUNCATE has made void counts 0 in `_diff`.

    A nullable array or map is shown as a Variant, because NULL and the empty one are different values.
    """
    floors = f"{quote_ch(sink.raw_database)}.{quote_ch(FLOORS)}"
    current = (
        "(raw._generation, raw._lsn) >= "  # noqa: S608 - all quoted
        f"(SELECT max((generation, lsn)) FROM {floors} WHERE table_name = {quote_ch_string(table.name)})"
    )
    show = partial(_shown_of_changelog, current) if table.changelog else _shown
    shown = ",\n  ".join(show(column) for column in view_columns(table))
    condition = "" if table.changelog else f"\nWHERE raw._is_deleted = 0 AND {current}"
    return (
        f"CREATE OR REPLACE VIEW {view_name(sink, table)} AS SELECT\n  {shown}\n"
        f"FROM {raw_name(sink, table)} AS raw FINAL{condition}"
    )


def allow_null(sink: ClickHouseSink, table: TableSpec, column: SinkColumn) -> str:
    """Let a column hold NULL that could not before; its values stay."""
    return f"ALTER TABLE {raw_name(sink, table)} MODIFY COLUMN {_definition(column)}"


def _definition(column: SinkColumn) -> str:
    default = f" DEFAULT {column.clickhouse_default}" if column.clickhouse_default else ""
    return f"{quote_ch(column.name)} {column.clickhouse}{default}"


def _shown_of_changelog(current: str, column: SinkColumn) -> str:
    if column.name == DIFF:
        return f"if({current}, raw.{DIFF}, toInt8(0)) AS {DIFF}"
    if column.name == "_op":
        letters, words = (str(list(texts)) for texts in (OPERATIONS, OPERATIONS.values()))
        return f"transform(raw._op, {letters}, {words}, raw._op) AS _op"
    return _shown(column)


def _shown(column: SinkColumn) -> str:
    name = quote_ch(column.name)
    if column.name == "_op":
        return "if(raw._op = 'u', 'UPDATE', 'INSERT') AS _op"
    if column.nullable and needs_null_flag(column.clickhouse):
        flag = quote_ch(NULL_FLAG_PREFIX + column.name)
        variant = quote_ch_string(f"Variant({column.clickhouse})")
        return f"if(raw.{flag} = 1, NULL, CAST(raw.{name}, {variant})) AS {name}"
    return f"raw.{name} AS {name}"
