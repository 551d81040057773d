"""The connector on Kafka Connect, and incremental snapshots of tables that join it later."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg

from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.errors import UnavailableError
from cdc.ops import OpsStore
from cdc.services.changelog_snapshot import ChangelogSnapshot
from cdc.services.changes import Change, OnStep
from cdc.services.connector import SECRETS, connector_config
from cdc.services.first_snapshots import expect_first_snapshot
from cdc.services.gaps import lost_slot, record_lost_offsets, record_lost_slot
from cdc.services.left_out import capture_settings, left_out
from cdc.services.reach import connect_of
from cdc.services.snapshot_signals import ask_for_rows
from cdc.spec import Pipeline, TableSpec

WAIT_S = 180.0


class ConnectorObject:
    """Registers the connector and asks for the existing rows of new tables.

    How it works: a first registration snapshots every table (`snapshot.mode=initial`). A table that joins
    later is first captured, which restarts the task; once the *new* task holds the replication slot, a signal
    asks for an incremental snapshot, or for a blocking one where Debezium needs it. A signal that the old
    task read would name a table it does not know, and be lost. A changelog's table is published then too,
    with a snapshot of its own, since the old task would pass over its changes.
    """

    def __init__(self, pipeline: Pipeline, connections: Connections, ops: OpsStore) -> None:
        self._pipeline, self._source, self._ops = pipeline, pipeline.source, ops
        self._admin = connections.get(self._source.admin_connection)
        self._connect = connect_of(pipeline, connections)
        self._connections = connections

    @property
    def _config(self) -> dict[str, str]:
        return connector_config(self._pipeline, self._connections, left_out(self._pipeline, self._ops))

    def pending(self) -> list[Change]:
        """A missing connector, settings that differ, failed tasks, tables without a snapshot."""
        name = self._source.connector
        registered, config = self._connect.config(name), self._config
        if lost := lost_slot(self._pipeline, self._connections, self._ops):
            return [Change("connector", name, f"begin anew and read every row, since {lost}")]
        if registered is None:
            return [Change("connector", name, f"register for {len(self._pipeline.tables)} tables")]
        changes = [
            Change("connector", name, _difference(key, registered.get(key), config.get(key)))
            for key in sorted({*registered, *config})
            if registered.get(key) != config.get(key)
        ]
        status = self._connect.status(name)
        if status is not None and status.failed:
            changes.append(Change("connector", name, f"restart what failed: {status.failed.splitlines()[0]}"))
        elif status is not None and status.state in ("PAUSED", "STOPPED"):
            changes.append(Change("connector", name, f"resume, it is {status.state}"))
        changes += [Change("snapshot", s, "existing rows, by signal") for s in self._not_snapshotted()]
        return changes + [
            Change("snapshot", table.source, "publish, and existing rows under a lock of a moment")
            for table in self._joining()
        ]

    def run(self, on_step: OnStep) -> None:
        """Validate, register, wait until the tasks run, then ask for the snapshots that are missing."""
        pending = self.pending()
        if not pending:
            return
        with self._ops.exclusively(f"begin {self._pipeline.name}"):
            self._begin_anew()
        name = self._source.connector
        first = self._connect.config(name) is None and self._slot() is None
        with capture_settings(self._pipeline, self._ops):
            config = self._config
            changed = self._connect.config(name) != config
            self._connect.validate(config)
            before = (self._slot() or {}).get("active_pid")
            if changed:
                self._connect.put(name, config)
        self._wake(name)
        self._connect.wait_running(name, WAIT_S)
        if changed and before is not None:
            # The next one who asks for rows must not be heard by a task with the settings of before.
            self._wait_streaming(before)
        if first:
            for table in self._pipeline.tables:
                if not table.changelog:
                    self._ops.record_snapshot(self._pipeline.name, table.source, "initial")
        self._ask_for_rows(before, first=first, changed=changed)
        for change in pending:
            on_step(str(change))

    def _begin_anew(self) -> None:
        """Where nothing goes on from what was captured, let the connector take a first snapshot again.

        Killed anywhere in here, it is done again, or there is nothing left to do but to resume it.
        """
        name, ops = self._source.connector, self._ops
        lost = record_lost_slot(self._pipeline, self._connections, ops)
        if self._connect.config(name) is None and ops.snapshotted(self._pipeline.name):
            self._connect.register_stopped(name, self._config)
            if not lost and not self._connect.offsets(name):
                # From a slot that it did not make it would read on where the log ends then.
                record_lost_offsets(self._pipeline, self._connections, ops)
                self._read_every_row_anew()
        if not lost:
            return
        self._read_every_row_anew()
        self._connect.forget_offsets(name)
        # The capturing role, which may do so.
        source = self._connections.get(self._source.connection)
        with connect_postgres(source, autocommit=True, application_name="cdc-apply") as connection:
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
                "WHERE slot_name = %s AND wal_status = 'lost'",
                (self._source.slot,),
            )

    def _read_every_row_anew(self) -> None:
        """By a first snapshot; changelogs have their own, which are taken once the connector streams."""
        expect_first_snapshot(self._pipeline, self._connections, self._ops)
        for table in self._pipeline.tables:
            if table.changelog:
                self._ops.forget_snapshot(self._pipeline.name, table.source)

    def _ask_for_rows(self, before: int | None, *, first: bool, changed: bool) -> None:
        missing, joining = self._not_snapshotted(), self._joining()
        if not missing and not joining:
            return
        if not first and not changed and before is not None:
            # An earlier run may have ended between the new configuration and the signal. Where nothing reads
            # the slot, no task of the old one does, and a restart would begin a first snapshot anew.
            self._connect.restart(self._source.connector, only_failed=False)
        self._wait_streaming(before)
        if missing:
            self._signal(missing)
        if joining:
            self._wait_confirmed()
        for table in joining:
            # A table that comes back has a record; a run that ends in between must not leave it.
            self._ops.forget_snapshot(self._pipeline.name, table.source)
            began, sinks = self._ops.clock(), [sink.name for sink in self._pipeline.sinks]
            ChangelogSnapshot(self._pipeline, self._connections, table).take()
            self._ops.close_gaps(self._pipeline.name, table.name, sinks, began)
            self._ops.record_snapshot(self._pipeline.name, table.source, "changelog")

    def _wake(self, name: str) -> None:
        status = self._connect.status(name)
        if status is None:
            return
        if status.state in ("PAUSED", "STOPPED"):
            self._connect.resume(name)
        elif status.failed:
            self._connect.restart(name)

    def _not_snapshotted(self) -> list[str]:
        known = self._ops.snapshotted(self._pipeline.name)
        tables = [table for table in self._pipeline.tables if not table.changelog]
        return [table.source for table in tables if table.source not in known]

    def _joining(self) -> list[TableSpec]:
        """Changelogs whose existing rows were not written, or that have left the publication since."""
        known = self._ops.snapshotted(self._pipeline.name)
        return [
            table
            for table in self._pipeline.tables
            if table.changelog
            and not (
                table.source in known
                and ChangelogSnapshot(self._pipeline, self._connections, table).published()
            )
        ]

    def _signal(self, sources: list[str]) -> None:
        with connect_postgres(self._admin, autocommit=True, application_name="cdc-apply") as connection:
            kinds = ask_for_rows(connection, self._source.signal_table, sources)
        # Recorded after the signals: a crash in between asks twice, which only writes the same rows again.
        for source, kind in kinds.items():
            self._ops.record_snapshot(self._pipeline.name, source, kind)

    def _wait_streaming(self, previous_pid: int | None, sleep: Callable[[float], None] = time.sleep) -> None:
        """Wait until a task other than the previous one holds the slot."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            slot = self._slot()
            if slot is not None and slot["active_pid"] not in (None, previous_pid):
                return
            sleep(0.5)
        raise UnavailableError(
            f"the connector does not stream from slot {self._source.slot} after {WAIT_S:.0f} s (a first "
            "snapshot "
            "comes before): see Connect's log, then run apply again"
        )

    def _wait_confirmed(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Wait until Connect has kept that the first snapshot is over.

        Before that a task that is started again takes another one and passes over what was logged until then,
        which that snapshot has of the other tables and not of a changelog.
        """
        with connect_postgres(self._admin, autocommit=True, application_name="cdc-plan") as connection:
            now = connection.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
            confirmed = "SELECT confirmed_flush_lsn >= %s FROM pg_replication_slots WHERE slot_name = %s"
            deadline = time.monotonic() + WAIT_S
            while time.monotonic() < deadline:
                if connection.execute(confirmed, (*(now or ()), self._source.slot)).fetchone() == (True,):
                    return
                sleep(0.2)
        raise UnavailableError(
            f"the connector confirms nothing on slot {self._source.slot} after {WAIT_S:.0f} s: see Connect's "
            "log, then run apply again"
        )

    def _slot(self) -> dict[str, Any] | None:
        with connect_postgres(self._admin, autocommit=True, application_name="cdc-plan") as connection:
            cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
            statement = "SELECT slot_name, active_pid FROM pg_replication_slots WHERE slot_name = %s"
            return cursor.execute(statement, (self._source.slot,)).fetchone()


def _difference(key: str, registered: str | None, wanted: str | None) -> str:
    if key in SECRETS:
        return f"{key} changes"
    return f"{key}: {registered!r} → {wanted!r}"
