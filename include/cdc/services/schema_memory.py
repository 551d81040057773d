"""What the sinks were built from, remembered in the ops store by one at a time.

Several may compare the same table at once; what one of them judged has no effect once another one has
remembered something newer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from cdc.connections import Connections
from cdc.model.schema_verdict import without_vanished
from cdc.model.source_table import FoundTable, followed, relabelled, still_without, without_values
from cdc.ops import OpsStore, TableSchema
from cdc.services.effective import effective_table
from cdc.services.source_schema import Judged, read_source
from cdc.spec import Pipeline, TableSpec
from cdc.spec.definitions import definition_of, fingerprint


@contextmanager
def remembering(pipeline: Pipeline, table: TableSpec, ops: OpsStore) -> Iterator[TableSchema | None]:
    """Held while a table's schema is read and remembered anew."""
    with ops.exclusively(f"schema {pipeline.name}/{table.name}"):
        yield ops.table_schemas(pipeline.name).get(table.name)


@contextmanager
def judged_last(pipeline: Pipeline, item: Judged, ops: OpsStore) -> Iterator[TableSchema | None]:
    """Keep others from remembering the table's schema; None when another one was since it was judged.

    What is left out may be marked meanwhile, so what is remembered next is made of the one that is yielded.
    """
    with remembering(pipeline, item.table, ops) as now:
        yield now if now is None or now.revision == item.schema.revision else None


def record_followed(
    pipeline: Pipeline,
    item: Judged,
    last: TableSchema,
    table: TableSpec,
    found: FoundTable,
    ops: OpsStore,
) -> None:
    """Remember the definition that follows a table's changes, and of what they were found.

    Args:
        pipeline: whose table it is.
        item: what was judged.
        last: what was remembered before, as `judged_last` gave it.
        table: the definition from now on.
        found: the source's table.
        ops: the ops store.
    """
    schema = replace(
        last,
        built=followed(last.built, found, table.exclude),
        declared=fingerprint(item.declared),
        definition=definition_of(table),
    )
    ops.record_schema(pipeline.name, schema)


def record_built(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> None:
    """Remember what the sinks were built from, of tables of which it is not known yet."""
    known = ops.table_schemas(pipeline.name)
    source = read_source(connections.get(pipeline.source.admin_connection))
    for table in pipeline.tables:
        found, schema = source.by_name.get(table.source), known.get(table.name)
        if found is not None and schema is None:
            # A column that was added since the sinks were made is none that they were built from.
            declared = {*(column.name for column in table.columns), *table.exclude}
            columns = tuple(column for column in found.columns if column.name in declared)
            built = replace(found, columns=columns).built(table.exclude)
            ops.record_schema(pipeline.name, TableSchema(table.name, built, fingerprint(table)))


def record_left_out(pipeline: Pipeline, judged: Iterable[Judged], ops: OpsStore) -> None:
    """Remember which columns the events are about to lack, before the connector leaves them out."""
    for item in judged:
        with remembering(pipeline, item.table, ops) as schema:
            if schema is None or item.found is None or item.found.oid != schema.built.oid:
                continue
            left_out = effective_table(item.declared, schema).exclude
            built = without_values(schema.built, item.found, left_out)
            if built != schema.built:
                ops.record_schema(pipeline.name, replace(schema, built=built))


def record_new_build(pipeline: Pipeline, table: TableSpec, schema: TableSchema, ops: OpsStore) -> None:
    """Remember what a new build was made of, less what was left out of the events while it was made."""
    with remembering(pipeline, table, ops) as now:
        built = schema.built if now is None else still_without(schema.built, now.built, table.unsent)
        ops.record_schema(pipeline.name, replace(schema, built=built))


def leave_out(pipeline: Pipeline, item: Judged, unknown: Sequence[str], ops: OpsStore) -> TableSpec | None:
    """Leave out columns that events have and that have come and gone again at the source.

    Returns:
        The table without them, or None when the catalogue does not explain them so.
    """
    if item.found is None:
        return None
    table = without_vanished(item.table, item.schema.built, item.found, unknown)
    if table == item.table:
        return None
    with judged_last(pipeline, item, ops) as last:
        if last is not None:
            record_followed(pipeline, item, last, table, item.found, ops)
    return table


def record_doubted(pipeline: Pipeline, item: Judged, columns: Sequence[str], ops: OpsStore) -> None:
    """Remember that columns may have had another type since, so that the table waits for a new build."""
    with judged_last(pipeline, item, ops) as last:
        if last is not None:
            built = replace(last.built, doubted=tuple(columns))
            ops.record_schema(pipeline.name, replace(last, built=built))


def record_parts(pipeline: Pipeline, item: Judged, ops: OpsStore) -> None:
    """A label that joined an enum may be renamed later."""
    if item.found is None or item.verdict.changes:
        return
    built = relabelled(item.schema.built, item.found)
    if built != item.schema.built:
        with judged_last(pipeline, item, ops) as last:
            if last is not None:
                ops.record_schema(pipeline.name, replace(last, built=relabelled(last.built, item.found)))
