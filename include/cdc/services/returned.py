"""Tables whose existing rows are not in the sinks, though the ops store remembers that they were asked for.

What is asked of the source, of Kafka and of the connector goes by the table at the source; rows are in the
sinks by another name, or lack what happened while nobody captured the table.
"""

from __future__ import annotations

from collections.abc import Collection

from cdc.clients.postgres import connect_postgres, read_log_end
from cdc.connections import Connections
from cdc.errors import ConfigurationError
from cdc.ops import OpsStore
from cdc.services.catalogue import published_tables
from cdc.services.gaps import record_gaps
from cdc.services.source_schema import read_source
from cdc.spec import Pipeline


def forget_returned(
    pipeline: Pipeline, waiting: Collection[str], connections: Connections, ops: OpsStore
) -> tuple[str, ...]:
    """Let tables that have left the publication since be read again when they are back in it.

    Args:
        pipeline: as its file has it.
        waiting: tables, by their name in the sinks, that wait for an approval, whose new build reads them.
        connections: where the source is.
        ops: the ops store.

    Returns:
        Their names in the sinks. What was deleted meanwhile is in no snapshot, and a reconciliation finds it.
    """
    known, published = ops.snapshotted(pipeline.name), _published(pipeline, connections)
    back = [
        table
        for table in pipeline.tables
        # A changelog's snapshot looks by itself.
        if not table.changelog
        and table.name not in waiting
        and table.source in known
        and (table.schema_name, table.table_name) not in published
    ]
    names = tuple(table.name for table in back)
    record_returned(pipeline, names, connections, ops)
    for table in back:
        ops.forget_snapshot(pipeline.name, table.source)
    return names


def record_returned(
    pipeline: Pipeline, names: Collection[str], connections: Connections, ops: OpsStore
) -> None:
    """Record that changes of these tables are missing, before they are captured again and once they are.

    What was compared with the source in between may differ from it by now.
    """
    if not names:
        return
    lsn = read_log_end(connections.get(pipeline.source.admin_connection), "cdc-plan")
    tables = [table for table in pipeline.tables if table.name in names]
    sinks = [sink.name for sink in pipeline.sinks]
    record_gaps(pipeline, tables, sinks, lsn, "it was not in the publication for a while", ops)


def refuse_renamed(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> None:
    """A table with another name in the sinks than it was applied with would have new changes alone there.

    Raises:
        ConfigurationError: names both, and what to do.
    """
    schemas = ops.table_schemas(pipeline.name)
    declared = {table.name for table in pipeline.tables}
    left = {schema.built.oid: name for name, schema in schemas.items() if name not in declared}
    new = [table for table in pipeline.tables if table.name not in schemas]
    if not left or not new:
        return
    published = _published(pipeline, connections)
    found = read_source(connections.get(pipeline.source.admin_connection)).by_name
    for table in new:
        old = left.get(found[table.source].oid) if table.source in found else None
        if old is not None and (table.schema_name, table.table_name) in published:
            raise ConfigurationError(
                f"{table.source} is captured as {old} in the sinks, and its existing rows would not come to "
                f"{table.name}: take its entry out and run `cdc apply`, then declare it as {table.name} and "
                "run `cdc apply` again, which reads all of its rows"
            )


def _published(pipeline: Pipeline, connections: Connections) -> set[tuple[str, str]]:
    admin = connections.get(pipeline.source.admin_connection)
    with connect_postgres(admin, autocommit=True, application_name="cdc-plan") as connection:
        return published_tables(connection, pipeline.source.publication)
