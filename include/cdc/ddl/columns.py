"""The one ordered list of a sink table's columns that the DDL, the Spark writers and the comparison share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cdc.spec.tables import COORDINATES, LINEAGE, NULL_FLAG_PREFIX, TableSpec
from cdc.types import PgType, clickhouse_type, needs_null_flag, warehouse_key_type, warehouse_type
from cdc.types.defaults import clickhouse_text

Kind = Literal["key", "source", "derived", "null_flag", "processed", "lineage"]
TIMESTAMP = "DateTime64(6, 'UTC')"
DIFF = COORDINATES[-1]
"""Of a changelog's row: 1 a row came, -1 a row went, 0 neither."""


@dataclass(frozen=True)
class SinkColumn:
    """A column of the physical table.

    Attributes:
        kind: where its value comes from; the key's columns are source columns too.
        pg_type: the source's type; None for the platform's own columns.
        nullable: it can hold NULL in the reader's view.
        clickhouse: the type in ClickHouse's physical table; empty when only the warehouse has the column.
        warehouse: the type in the warehouse's physical table; empty when only ClickHouse has the column.
        warehouse_shown: the type in the warehouse's view, when that is another one.
        of: for a null flag, the column that it belongs to.
        added: it joined the table later, so the views have it at their end, where PostgreSQL lets them grow.
        clickhouse_default: the expression that rows have which were there before it.
        warehouse_default: the same as a text that the warehouse's type reads; None is NULL.
    """

    name: str
    kind: Kind
    pg_type: PgType | None
    nullable: bool
    clickhouse: str
    warehouse: str
    of: str = ""
    added: bool = False
    clickhouse_default: str = ""
    warehouse_default: str | None = None
    warehouse_shown: str = ""

    @property
    def shown(self) -> bool:
        """The readers' views show it."""
        return self.kind != "null_flag" and (self.kind != "lineage" or self.name in (*LINEAGE, DIFF))


_PLATFORM: tuple[SinkColumn, ...] = (
    SinkColumn("processed_at", "processed", None, False, TIMESTAMP, "timestamp with time zone"),
    SinkColumn("_version", "lineage", None, False, "UInt64", "bigint"),
    SinkColumn("_op", "lineage", None, False, "LowCardinality(String)", "text"),
    SinkColumn("_is_deleted", "lineage", None, False, "UInt8", "boolean"),
    SinkColumn("_lsn", "lineage", None, False, "UInt64", "bigint"),
    SinkColumn("_tx_id", "lineage", None, True, "Nullable(Int64)", "bigint"),
    SinkColumn("_source_ts", "lineage", None, False, TIMESTAMP, "timestamp with time zone"),
    SinkColumn("_partition", "lineage", None, False, "Int32", "integer"),
    SinkColumn("_offset", "lineage", None, False, "Int64", "bigint"),
    SinkColumn("_generation", "lineage", None, False, "UInt16", "integer"),
)
_OF_CHANGELOG = (
    *(column for column in _PLATFORM if column.name != "_is_deleted"),
    SinkColumn(DIFF, "lineage", None, False, "Int8", "smallint"),
)


def sink_columns(table: TableSpec) -> tuple[SinkColumn, ...]:
    """Source columns in their order, derived ones, null flags, `processed_at`, lineage.

    A column that is NOT NULL at the source takes its type's default on a tombstone in ClickHouse and NULL in
    the warehouse; the views never show a tombstone. Of a changelog every column takes NULL, since the rows
    that tell of a TRUNCATE have no values.
    """
    source = tuple(_source_column(table, column.name) for column in table.columns)
    derived = tuple(
        SinkColumn(
            column.name,
            "derived",
            column.pg_type,
            True,
            clickhouse_type(column.pg_type, nullable=True),
            warehouse_type(column.pg_type),
        )
        for column in table.derived
    )
    flags = tuple(
        SinkColumn(
            NULL_FLAG_PREFIX + column.name,
            "null_flag",
            None,
            False,
            "UInt8",
            "",
            of=column.name,
            # A row from before the column has NULL in it, unless the column says otherwise.
            clickhouse_default="1" if column.added and not column.clickhouse_default else "",
        )
        for column in (*source, *derived)
        if column.nullable and needs_null_flag(column.clickhouse)
    )
    return (*source, *derived, *flags, *(_OF_CHANGELOG if table.changelog else _PLATFORM))


def view_columns(table: TableSpec) -> tuple[SinkColumn, ...]:
    """The columns that readers see, in the view's order."""
    every = {column.name: column for column in sink_columns(table) if column.shown}
    diff = (DIFF,) if table.changelog else ()
    lineage = tuple(every.pop(name) for name in (*LINEAGE, *diff))
    first = tuple(column for column in every.values() if not column.added)
    return (*first, *lineage, *(column for column in every.values() if column.added))


def _source_column(table: TableSpec, name: str) -> SinkColumn:
    column = next(column for column in table.columns if column.name == name)
    in_key = name in table.key
    pg = column.pg_type
    nullable = column.nullable or table.changelog
    clickhouse = clickhouse_type(pg, nullable=nullable and not in_key)
    text = None if column.default is None else clickhouse_text(pg, column.default)
    warehouse = warehouse_type(pg)
    stored = warehouse_key_type(pg) if in_key else warehouse
    return SinkColumn(
        name,
        "key" if in_key else "source",
        pg,
        nullable,
        clickhouse,
        stored,
        added=column.added,
        clickhouse_default=""
        if text is None
        else f"CAST({quote_ch_string(text)}, {quote_ch_string(clickhouse)})",
        warehouse_default=column.default,
        warehouse_shown="" if stored == warehouse else warehouse,
    )


def rows_of_view(table: TableSpec) -> str:
    """The aggregate, in both sinks' SQL, that says how many rows a reader's view stands for."""
    return f"coalesce(sum({DIFF}), 0)" if table.changelog else "count(*)"


OPERATIONS = {
    "c": "INSERT",
    "r": "INSERT",
    "u": "UPDATE",
    "b": "UPDATE_BEFORE",
    "d": "DELETE",
    "e": "TRUNCATE",
    "s": "SNAPSHOT",
}
"""What the views show of a changelog's `_op`."""


def quote_ch(identifier: str) -> str:
    """Quote an identifier for ClickHouse."""
    return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quote_ch_string(text: str) -> str:
    """Quote a string literal for ClickHouse."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
