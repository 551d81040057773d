"""Tables that the connector leaves out for a while, because Debezium stops at what they had before a change.

Debezium reads the types of a table's columns in the catalogue as it is now, also for what was logged before a
column got another type (3.7). An old value that is none of the new type stops the connector, and with it all
tables, and does so again after each restart. Such a table is parked for a new build anyway, which reads it at
the source. So it leaves the capture until the connector has passed the change, and the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg

from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.errors import UnavailableError
from cdc.ops import OpsStore
from cdc.services.connector import connector_config
from cdc.services.effective import effective_pipeline
from cdc.services.reach import connect_of
from cdc.services.schema_changes import compared, settle
from cdc.spec import Pipeline

WAIT_S = 180.0
_AT_AN_EVENT = "Error while processing event"
"""What Debezium says when it is not the connection, the slot or Kafka that stops it."""
_SLOT = """
    SELECT (confirmed_flush_lsn - '0/0')::bigint, active_pid FROM pg_replication_slots WHERE slot_name = %s
"""


def left_out(pipeline: Pipeline, ops: OpsStore) -> frozenset[str]:
    """The tables, by their names in the sinks, that the connector does not capture now."""
    return frozenset(one.table for one in ops.parked(pipeline.name) if one.left_out_until is not None)


def leave_out(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> tuple[str, ...]:
    """When the connector has stopped at an event: leave the tables out whose definition has changed.

    They are parked before, and marked, so that no resume takes their topics for complete. With another
    trouble, or without such a table, nothing is done.

    Returns:
        The tables that are left out now and were not before.

    Raises:
        UnavailableError: a component does not answer; run it again.
    """
    name = pipeline.source.connector
    connect = connect_of(pipeline, connections)
    status = connect.status(name)
    if status is None or _AT_AN_EVENT not in status.failed:
        return ()
    known = left_out(pipeline, ops)
    changed = [
        item.table
        for item in compared(pipeline, connections, ops)
        if item.verdict.blocking
        and all(change.rebuildable for change in item.verdict.changes)
        and not item.table.changelog
        and item.table.name not in known
    ]
    if not changed:
        return ()
    settle(pipeline, connections, ops)
    until = _written(pipeline, connections)
    for table in changed:
        ops.leave_out(pipeline.name, table.name, until)
    # What has failed is started again with it.
    connect.put(name, _config(pipeline, connections, ops, left_out(pipeline, ops)))
    return tuple(table.name for table in changed)


def take_back(
    pipeline: Pipeline,
    connections: Connections,
    ops: OpsStore,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[str, ...]:
    """Capture tables again that were left out, once the connector has passed what it could not read.

    Returns:
        The tables that are captured again.

    Raises:
        UnavailableError: a component does not answer, or the connector does not stream; run it again.
    """
    out = {(one.table, one.left_out_until) for one in ops.parked(pipeline.name)}
    waiting = {table for table, until in out if until is not None}
    if not waiting:
        return ()
    confirmed, before = _slot(pipeline, connections)
    passed = sorted(table for table, until in out if until is not None and confirmed >= until)
    if not passed or before is None:
        return ()
    name = pipeline.source.connector
    connect = connect_of(pipeline, connections)
    wanted = _config(pipeline, connections, ops, frozenset(waiting.difference(passed)))
    if connect.config(name) == wanted:  # an earlier call has ended before it could tell
        connect.restart(name, only_failed=False)
    else:
        connect.put(name, wanted)
    # Until another task holds the slot, changes of these tables are passed over.
    deadline = time.monotonic() + WAIT_S
    while _slot(pipeline, connections)[1] in (None, before):
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"connector {name} does not stream {WAIT_S:.0f} s after it was given tables back: see "
                "Connect's log"
            )
        sleep(0.5)
    for table in passed:
        ops.take_back(pipeline.name, table)
    return tuple(passed)


def _config(
    pipeline: Pipeline, connections: Connections, ops: OpsStore, without: frozenset[str]
) -> dict[str, str]:
    return connector_config(effective_pipeline(pipeline, ops), connections, without)


def _written(pipeline: Pipeline, connections: Connections) -> int:
    admin = connections.get(pipeline.source.admin_connection)
    with connect_postgres(admin, autocommit=True, application_name="cdc-health") as session:
        (lsn,) = session.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchone() or (0,)
    return int(lsn)


def _slot(pipeline: Pipeline, connections: Connections) -> tuple[int, int | None]:
    """Up to where the connector has confirmed, and the backend that it reads by."""
    admin = connections.get(pipeline.source.admin_connection)
    try:
        with connect_postgres(admin, autocommit=True, application_name="cdc-health") as session:
            row = session.execute(_SLOT, (pipeline.source.slot,)).fetchone()
    except psycopg.OperationalError as error:
        raise UnavailableError(f"connection {admin.id!r} failed: {error}") from error
    return (int(row[0] or 0), row[1]) if row else (0, None)
