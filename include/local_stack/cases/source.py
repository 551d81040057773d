"""The source server as a delivery sees it: a database of its own, and the replication slot's position."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from cdc.clients.connect import ConnectClient
from cdc.clients.http import HttpError
from cdc.errors import TransientError, UnavailableError
from cdc.ops import OpsStore
from cdc.services.left_out import leave_out
from local_stack.cases.place import ANCHOR, Place

POLL_S = 0.25
SNAPSHOT_LIMIT_S = 180.0
STALL_S = 90.0
DROP_LIMIT_S = 30.0
_STREAMING = """
SELECT r.state = 'streaming' FROM pg_replication_slots s JOIN pg_stat_replication r ON r.pid = s.active_pid
WHERE s.slot_name = %s"""
_CONFIRMED = """
SELECT confirmed_flush_lsn >= %s::pg_lsn, confirmed_flush_lsn::text FROM pg_replication_slots
WHERE slot_name = %s"""


class CaseSource:
    """Makes and drops the delivery's database, and waits for its replication slot."""

    def __init__(self, place: Place) -> None:
        """Nothing is asked before it is needed."""
        self._place, self._connections = place, place.connections()
        self._connect = ConnectClient(self._connections.get("cdc_connect").url())
        self.dsn = self._connections.get("cdc_source_admin").dsn(connect_timeout=10)

    def create(self) -> None:
        """Make the database, with the one table that the pipeline begins with."""
        with self._server() as server:
            server.execute(SQL("CREATE DATABASE {}").format(Identifier(self._place.name)))
        with psycopg.connect(self.dsn) as connection:
            name = Identifier(*ANCHOR.split("."))
            connection.execute(SQL("CREATE TABLE {} (id integer PRIMARY KEY)").format(name))

    def drop(self) -> None:
        """Drop slot and database; fine when there are none.

        Raises:
            UnavailableError: the slot stays in use.
        """
        deadline = time.monotonic() + DROP_LIMIT_S
        with self._server() as server:
            while time.monotonic() < deadline:
                server.execute(
                    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s",
                    (self._place.name,),
                )
                server.execute(
                    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
                    "WHERE slot_name = %s AND NOT active",
                    (self._place.name,),
                )
                if not self._slot_exists(server):
                    drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                    server.execute(drop.format(Identifier(self._place.name)))
                    return
                time.sleep(POLL_S)
        raise UnavailableError(f"replication slot {self._place.name} stays in use: drop it by hand")

    def slot_exists(self) -> bool:
        """Whether the connector has begun to make its slot."""
        with self._server() as server:
            return self._slot_exists(server)

    def somebody_waits(self) -> bool:
        """Whether a backend of the delivery's database waits for another one's lock."""
        with self._server() as server:
            row = server.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s "
                "AND cardinality(pg_blocking_pids(pid)) > 0",
                (self._place.name,),
            ).fetchone()
        return bool(row and row[0])

    def wait_streaming(self) -> None:
        """Wait until the connector has read every existing row and follows the log.

        Raises:
            UnavailableError: it does not come to that, or the connector has stopped.
        """
        deadline = time.monotonic() + SNAPSHOT_LIMIT_S
        with self._server() as server:
            while time.monotonic() < deadline:
                row = server.execute(_STREAMING, (self._place.name,)).fetchone()
                if row is not None and row[0]:
                    return
                self._check_connector()
                time.sleep(POLL_S)
        raise UnavailableError(
            f"the connector's snapshot is not done after {SNAPSHOT_LIMIT_S:.0f} s: see Connect's log"
        )

    def wait_captured(self) -> None:
        """Wait until everything that is committed now is in Kafka: the slot's confirmed position says so.

        Raises:
            UnavailableError: the position does not move any more, or the connector has stopped.
        """
        with self._server() as server:
            target = _one(server, "SELECT pg_current_wal_insert_lsn()::text")
            last, moved = None, time.monotonic()
            while time.monotonic() - moved < STALL_S:
                row = server.execute(_CONFIRMED, (target, self._place.name)).fetchone()
                if row is not None and row[0]:
                    return
                position = row[1] if row else None
                if position != last:
                    last, moved = position, time.monotonic()
                self._check_connector()
                time.sleep(POLL_S)
        raise UnavailableError(
            f"Debezium has confirmed {last} and not {target} for {STALL_S:.0f} s: see Connect's log"
        )

    def _check_connector(self) -> None:
        try:
            status = self._connect.status(self._place.name)
        except (TransientError, HttpError):
            return  # Connect rebalances; whether the slot moves is what counts
        if status is not None and status.failed:
            # As `cdc_health` does before it restarts what has failed.
            with OpsStore(self._connections.get("cdc_ops")) as ops:
                left_out = leave_out(self._place.pipeline(), self._connections, ops)
            if left_out:
                self._connect.wait_running(self._place.name, SNAPSHOT_LIMIT_S)
                return
            causes = [line for line in status.failed.splitlines() if not line.startswith("\t")]
            raise UnavailableError(f"the connector has stopped: {' '.join(causes)}")

    def _slot_exists(self, server: psycopg.Connection[Any]) -> bool:
        statement = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s"
        row = server.execute(statement, (self._place.name,)).fetchone()
        return bool(row and row[0])

    def _server(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._place.superuser_dsn, autocommit=True, connect_timeout=10)


def _one(connection: psycopg.Connection[Any], statement: str) -> Any:
    row = connection.execute(statement.encode()).fetchone()
    return None if row is None else row[0]
