"""Gaps of the capture: changes that nobody read from the source's log, or that are gone from Kafka unread.

A gap keeps tables from being proven complete until each was compared with the source, deletes included.
"""

from __future__ import annotations

from collections.abc import Iterable

from cdc.clients.postgres import asking, read_log_end
from cdc.connections import Connections
from cdc.ops import OpsStore
from cdc.services.reach import connect_of
from cdc.spec import Pipeline, TableSpec

_SLOT = "SELECT coalesce(wal_status, '') FROM pg_replication_slots WHERE slot_name = %s"
_REFUSED = "no longer available on the server"
"""Debezium's words for a slot that begins behind what it has committed."""


def mending(table: TableSpec) -> str:
    """What brings the missing changes of a table back into its sinks."""
    if table.changelog:
        return f"`cdc table snapshot {table.name}` has the rows that the source has now read as events"
    return f"`cdc reconcile {table.name} --repair` mends it"


def lost_slot(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> str:
    """What has become of the slot from which tables were captured, when it cannot be read on.

    Debezium refuses to go on from another slot, which would pass over changes in silence.

    Returns:
        Empty when the slot is there, or nothing was captured from one yet.

    Raises:
        UnavailableError: the source, Connect or the ops store does not answer.
    """
    slot, name = pipeline.source.slot, pipeline.source.connector
    with asking(connections.get(pipeline.source.admin_connection), "cdc-gaps") as session:
        row = session.execute(_SLOT, (slot,)).fetchone()
    if row is not None and row[0] == "lost":
        return f"replication slot {slot} was lost: the source has removed WAL that it needed"
    connect = connect_of(pipeline, connections)
    status = connect.status(name)
    if row is None:
        # A connector that was just registered makes its slot a moment later.
        ended = status is None or status.state == "STOPPED"
        captured = connect.offsets(name) or (ended and ops.snapshotted(pipeline.name))
        return f"replication slot {slot} was gone" if captured else ""
    if status is not None and _REFUSED in status.failed:
        return f"replication slot {slot} was not the one that was read before"
    return ""


def record_lost_slot(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> str:
    """Record that changes are missing when the slot cannot be read on; otherwise as `lost_slot`."""
    said = lost_slot(pipeline, connections, ops)
    if said:
        record_gaps_everywhere(pipeline, _log_end(pipeline, connections), said, ops)
    return said


def record_lost_offsets(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> None:
    """Record that Connect does not know how far the connector had read, though its slot is there."""
    said = f"connector {pipeline.source.connector} had no offsets any more"
    record_gaps_everywhere(pipeline, _log_end(pipeline, connections), said, ops)


def _log_end(pipeline: Pipeline, connections: Connections) -> int:
    return read_log_end(connections.get(pipeline.source.admin_connection), "cdc-gaps")


def record_gaps_everywhere(pipeline: Pipeline, lsn: int, said: str, ops: OpsStore) -> None:
    """Record the same gap of every captured table in every sink."""
    captured = ops.snapshotted(pipeline.name)
    tables = [table for table in pipeline.tables if table.source in captured]
    record_gaps(pipeline, tables, [sink.name for sink in pipeline.sinks], lsn, said, ops)


def record_gaps(
    pipeline: Pipeline, tables: Iterable[TableSpec], sinks: Iterable[str], lsn: int, said: str, ops: OpsStore
) -> None:
    """Record the same gap of several tables, each with what mends it."""
    names = list(sinks)
    for table in tables:
        ops.record_gap(pipeline.name, table.name, names, lsn, f"{said}; {mending(table)}")
