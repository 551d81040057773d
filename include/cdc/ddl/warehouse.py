"""The PostgreSQL warehouse's side: the physical table with its tombstones, and the view of current rows.

Every statement can be run again. A column that is new in the pipeline is added; a view whose columns changed
has to be dropped first (`drop_view`), because PostgreSQL only lets a view grow at its end.
"""

from __future__ import annotations

from psycopg.sql import SQL, Composed, Identifier, Literal

from cdc.ddl.columns import DIFF, OPERATIONS, SinkColumn, sink_columns, view_columns
from cdc.spec import Pipeline, TableSpec, WarehouseSink
from cdc.types.kinds import EXTENSIONS

FLOORS = "_truncate_floors"
LEDGER = "_ledger"
FENCE = "_fence"


def statements(pipeline: Pipeline, sink: WarehouseSink, table: TableSpec) -> tuple[Composed, ...]:
    """Everything `table` needs in `sink`, in order."""
    columns = tuple(column for column in sink_columns(table) if column.warehouse)
    comment = SQL("COMMENT ON TABLE {} IS {}").format(
        raw_name(sink, table), Literal(f"{table.source} of pipeline {pipeline.name}")
    )
    return (
        *schema_statements(sink),
        *(
            SQL("CREATE EXTENSION IF NOT EXISTS {}").format(Identifier(name))
            for name in sorted(
                EXTENSIONS & {(c.warehouse_shown or c.warehouse).removesuffix("[]") for c in columns}
            )
        ),
        create_table(sink, table, columns),
        comment,
        *(
            SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {}").format(
                raw_name(sink, table), _definition(column)
            )
            for column in columns
            if column.kind in ("source", "derived")
        ),
        create_view(sink, table),
    )


def schema_statements(sink: WarehouseSink) -> tuple[Composed, ...]:
    """The two schemas, the truncate floors, and the ledger and fence that share the upsert's transaction."""
    raw = Identifier(sink.raw_schema)
    return (
        SQL("CREATE SCHEMA IF NOT EXISTS {}").format(raw),
        SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(sink.view_schema)),
        SQL(
            "CREATE TABLE IF NOT EXISTS {}.{} (table_name text NOT NULL, generation integer NOT NULL, "
            "lsn bigint NOT NULL, PRIMARY KEY (table_name, generation, lsn))"
        ).format(raw, Identifier(FLOORS)),
        SQL(
            "CREATE TABLE IF NOT EXISTS {}.{} (query text NOT NULL, topic text NOT NULL, "
            "partition integer NOT NULL, until_offset bigint NOT NULL, epoch bigint NOT NULL, "
            "updated_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (query, topic, partition))"
        ).format(raw, Identifier(LEDGER)),
        SQL("CREATE TABLE IF NOT EXISTS {}.{} (query text PRIMARY KEY, epoch bigint NOT NULL)").format(
            raw, Identifier(FENCE)
        ),
    )


def raw_name(sink: WarehouseSink, table: TableSpec) -> Identifier:
    """The physical table."""
    return Identifier(*sink.raw_table(table.name))


def view_name(sink: WarehouseSink, table: TableSpec) -> Identifier:
    """The readers' view."""
    return Identifier(*sink.view(table.name))


def create_table(sink: WarehouseSink, table: TableSpec, columns: tuple[SinkColumn, ...]) -> Composed:
    """`CREATE TABLE`; non-key columns take NULL because a tombstone has only its key."""
    return SQL("CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY ({}))").format(
        raw_name(sink, table),
        SQL(", ").join(_definition(column) for column in columns),
        SQL(", ").join(map(Identifier, table.identity)),
    )


def create_view(sink: WarehouseSink, table: TableSpec) -> Composed:
    """The view of current rows: not deleted, not below the truncate floor.

    A changelog's view has every event; what a TRUNCATE has made void counts 0 in `_diff`.
    """
    current = SQL(
        "NOT EXISTS (SELECT 1 FROM {}.{} AS floor WHERE floor.table_name = {} "
        "AND (raw._generation, raw._lsn) < (floor.generation, floor.lsn))"
    ).format(Identifier(sink.raw_schema), Identifier(FLOORS), Literal(table.name))
    if table.changelog:
        shown = [_shown_of_changelog(column, current) for column in view_columns(table)]
        condition = Composed([])
    else:
        shown = [_shown(column) for column in view_columns(table)]
        condition = SQL(" WHERE NOT raw._is_deleted AND {}").format(current)
    return SQL("CREATE OR REPLACE VIEW {} AS SELECT {} FROM {} AS raw{}").format(
        view_name(sink, table), SQL(", ").join(shown), raw_name(sink, table), condition
    )


def drop_view(sink: WarehouseSink, table: TableSpec) -> Composed:
    """Drop the view, for a pipeline whose columns changed; its privileges go with it."""
    return SQL("DROP VIEW IF EXISTS {}").format(view_name(sink, table))


def _definition(column: SinkColumn) -> Composed:
    # The type is made by the type map, never by a source.
    null = SQL(" NOT NULL") if column.kind in ("key", "processed") or _required(column) else SQL("")
    default: Composed | SQL = SQL("")
    if column.warehouse_default is not None:
        default = SQL(" DEFAULT {}::{}").format(Literal(column.warehouse_default), SQL(column.warehouse))
    return SQL("{} {}{}{}").format(Identifier(column.name), SQL(column.warehouse), null, default)


def _required(column: SinkColumn) -> bool:
    return column.kind == "lineage" and not column.nullable


def _shown_of_changelog(column: SinkColumn, current: Composed) -> Composed:
    if column.name == DIFF:
        return SQL("CASE WHEN {} THEN raw.{} ELSE 0::smallint END AS {}").format(
            current, Identifier(DIFF), Identifier(DIFF)
        )
    if column.name == "_op":
        cases = [SQL("WHEN {} THEN {}").format(Literal(k), Literal(v)) for k, v in OPERATIONS.items()]
        return SQL("CASE raw._op {} ELSE raw._op END AS {}").format(SQL(" ").join(cases), Identifier("_op"))
    return _shown(column)


def _shown(column: SinkColumn) -> Composed:
    if column.name == "_op":
        return SQL("CASE raw._op WHEN 'u' THEN 'UPDATE' ELSE 'INSERT' END AS {}").format(Identifier("_op"))
    # The type is made by the type map, never by a source.
    cast = f"::{column.warehouse_shown}" if column.warehouse_shown else ""
    return SQL("raw.{}{} AS {}").format(Identifier(column.name), SQL(cast), Identifier(column.name))
