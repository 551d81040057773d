"""Tables that the connector leaves out for a while, because Debezium stops at what they had before a change.

Debezium reads the types of a table's columns in the catalogue as it is now, also for what was logged before a
column got another type (3.7). An old value that is none of the new type stops the connector, and with it all
tables, and does so again after each restart. Such a table is parked for a new build anyway, which reads it at
the source. So it leaves the capture until the connector has passed the change, and the others go on.

A type that a column had only between two looks leaves no difference: it was changed back, or another column
of the name was dropped. When no difference explains the stop, tables are doubted whose columns were written
in the catalogue by transactions that the slot has not passed.

Changelogs are not left out: no new build brings back what their events would lack.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from cdc.clients.connect import ConnectClient
from cdc.clients.postgres import asking, log_end
from cdc.connections import Connections
from cdc.errors import UnavailableError
from cdc.model.schema_change import Kind
from cdc.ops import OpsStore
from cdc.services.connector import connector_config
from cdc.services.effective import effective_pipeline
from cdc.services.reach import connect_of
from cdc.services.schema_changes import compared, park_changed
from cdc.services.schema_memory import record_doubted
from cdc.services.source_schema import Judged
from cdc.spec import Pipeline

WAIT_S = 60.0
_AT_AN_EVENT = "Error while processing event"
"""What Debezium says when it is not the connection, the slot or Kafka that stops it."""
_OTHER_VALUES = frozenset({Kind.RETYPED, Kind.REPLACED, Kind.RECREATED, Kind.DOUBTED})
_LISTS = ("table.include.list", "snapshot.include.collection.list")
_SLOT = """
    SELECT coalesce((confirmed_flush_lsn - '0/0')::bigint, 0), active_pid,
      (pg_current_wal_insert_lsn() - '0/0')::bigint
    FROM pg_replication_slots WHERE slot_name = %s
"""
_CHANGED_AHEAD = """
    SELECT a.attrelid::bigint, array_agg(a.attname::text ORDER BY a.attnum)
    FROM pg_replication_slots s
    JOIN pg_attribute a ON a.attrelid::bigint = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
    -- a system column is as old as its table
    JOIN pg_attribute made ON made.attrelid = a.attrelid AND made.attnum = -1
    -- what ended before the position that the slot has confirmed is older than its catalog_xmin
    WHERE s.slot_name = %s AND age(a.xmin) <= age(s.catalog_xmin) AND a.xmin <> made.xmin
    GROUP BY a.attrelid
"""


@contextmanager
def capture_settings(pipeline: Pipeline, ops: OpsStore) -> Iterator[None]:
    """Held while somebody decides what the connector captures, and registers that."""
    with ops.exclusively(f"capture {pipeline.name}"):
        yield


def left_out(pipeline: Pipeline, ops: OpsStore) -> frozenset[str]:
    """The tables, by their names in the sinks, that the connector does not capture now."""
    return frozenset(one.table for one in ops.parked(pipeline.name) if one.left_out_until is not None)


def leave_out(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> tuple[str, ...]:
    """When the connector has stopped at an event: leave the tables out whose values have another type now.

    When that changes nothing, those whose values may have had another type for a while too. They are parked
    before, and marked, so that no resume takes their topics for complete. With another trouble, or when the
    connector does not capture such a table, nothing is done.

    Returns:
        The tables that the connector goes on without.

    Raises:
        UnavailableError: a component does not answer; run it again.
        ConfigurationError: Connect refuses the registration.
    """
    name = pipeline.source.connector
    connect = connect_of(pipeline, connections)
    status = connect.status(name)
    if status is None or _AT_AN_EVENT not in status.failed:
        return ()
    with capture_settings(pipeline, ops):
        before = connect.config(name) or {}
        judged = compared(pipeline, connections, ops)
        changed, without = _going_on(before, judged, pipeline, connections, ops)
        if without == before:
            _doubt(judged, pipeline, connections, ops)
            judged = compared(pipeline, connections, ops)
            changed, without = _going_on(before, judged, pipeline, connections, ops)
        if without == before:
            return ()
        names = {item.table.name for item in changed}
        for item in changed:
            park_changed(pipeline, item, ops)
        until = _slot(pipeline, connections)[2]
        for table in sorted(names):
            ops.leave_out(pipeline.name, table, until)
        # What has failed is started again with it.
        connect.put(name, without)
    return tuple(sorted(names))


def take_back(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> tuple[str, ...]:
    """Capture tables again that were left out, once the connector has passed what it could not read.

    Returns:
        The tables that are captured again.

    Raises:
        UnavailableError: a component does not answer, or the connector does not stream; run it again.
        ConfigurationError: Connect refuses the registration.
    """
    if not left_out(pipeline, ops):
        return ()
    with capture_settings(pipeline, ops):
        parked = [(one.table, one.left_out_until) for one in ops.parked(pipeline.name)]
        out = {table: until for table, until in parked if until is not None}
        confirmed, reader, _ = _slot(pipeline, connections)
        passed = sorted(table for table, until in out.items() if confirmed >= until)
        if not passed or reader is None:
            return ()
        name, connect = pipeline.source.connector, connect_of(pipeline, connections)
        before = connect.config(name) or {}
        wanted = _with_lists(before, pipeline, connections, ops, frozenset(out) - frozenset(passed))
        if wanted == before:  # an earlier call has ended before it could tell
            connect.restart(name, only_failed=False)
        else:
            connect.put(name, wanted)
        # Until another task holds the slot, changes of these tables are passed over.
        _wait_for_another(reader, pipeline, connections, connect)
        for table in passed:
            ops.take_back(pipeline.name, table)
    return tuple(passed)


def _stops_debezium(item: Judged) -> bool:
    kinds = {change.kind for change in item.verdict.changes}
    rebuildable = all(change.rebuildable for change in item.verdict.changes)
    return bool(item.verdict.blocking and kinds & _OTHER_VALUES) and rebuildable and not item.table.changelog


def _going_on(
    before: dict[str, str],
    judged: Iterable[Judged],
    pipeline: Pipeline,
    connections: Connections,
    ops: OpsStore,
) -> tuple[list[Judged], dict[str, str]]:
    """The tables at whose values Debezium may have stopped, and the registration without them."""
    changed = [item for item in judged if _stops_debezium(item)]
    if not changed:
        return [], before
    names = left_out(pipeline, ops) | {item.table.name for item in changed}
    return changed, _with_lists(before, pipeline, connections, ops, names)


def _doubt(judged: Iterable[Judged], pipeline: Pipeline, connections: Connections, ops: OpsStore) -> None:
    """Doubt the tables that have changed behind what the slot has confirmed, whatever they are like now."""
    tables = {item.found.oid: item for item in judged if item.found is not None and _may_be_doubted(item)}
    with asking(connections.get(pipeline.source.admin_connection), "cdc-health") as session:
        rows = session.execute(_CHANGED_AHEAD, (list(tables), pipeline.source.slot)).fetchall()
    for oid, columns in rows:
        doubted = [name for name in columns if name not in tables[oid].table.exclude]
        if doubted:
            record_doubted(pipeline, tables[oid], doubted, ops)


def _may_be_doubted(item: Judged) -> bool:
    """A new build would settle it, and it does not wait for one for another reason of that kind already."""
    rebuildable = all(change.rebuildable for change in item.verdict.changes)
    return rebuildable and not item.table.changelog and not _stops_debezium(item)


def _with_lists(
    registered: dict[str, str],
    pipeline: Pipeline,
    connections: Connections,
    ops: OpsStore,
    without: frozenset[str],
) -> dict[str, str]:
    """What is registered, with other tables: the pipeline file may say more that was not applied yet."""
    lists = connector_config(effective_pipeline(pipeline, ops), connections, without)
    return registered | {key: lists[key] for key in _LISTS if key in lists and key in registered}


def _wait_for_another(
    reader: int, pipeline: Pipeline, connections: Connections, connect: ConnectClient
) -> None:
    deadline = time.monotonic() + WAIT_S
    while _slot(pipeline, connections)[1] in (None, reader):
        status = connect.status(pipeline.source.connector)
        if time.monotonic() > deadline or (status is not None and _AT_AN_EVENT in status.failed):
            raise UnavailableError(
                f"connector {pipeline.source.connector} does not stream after it was given tables back: see "
                "Connect's log"
            )
        time.sleep(0.5)


def _slot(pipeline: Pipeline, connections: Connections) -> tuple[int, int | None, int]:
    """Up to where the connector has confirmed, the backend that it reads by, and the end of the log.

    A slot that is gone has confirmed nothing; `cdc apply` makes another.
    """
    with asking(connections.get(pipeline.source.admin_connection), "cdc-health") as session:
        row = session.execute(_SLOT, (pipeline.source.slot,)).fetchone()
        return (row[0], row[1], row[2]) if row else (0, None, log_end(session))
