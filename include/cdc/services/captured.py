"""Waits until what the source has logged is in Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable

from cdc.clients.postgres import connect_postgres
from cdc.connections import Connection, Connections
from cdc.errors import ConfigurationError, UnavailableError
from cdc.ops import OpsStore
from cdc.services.catalogue import published_tables
from cdc.services.connector import sent_by
from cdc.services.effective import effective_pipeline
from cdc.services.reach import connect_of
from cdc.spec import Pipeline, SourceSpec, TableSpec

WAIT_S = 180.0
POLL_S = 0.5


def refuse_unsent(pipeline: Pipeline, connections: Connections, ops: OpsStore, table: TableSpec) -> None:
    """Before a new build: its events must have every column that is declared. Drivers do not know Connect.

    Raises:
        ConfigurationError: the connector leaves a column out.
        UnavailableError: Connect or the ops store does not answer.
    """
    table = effective_pipeline(pipeline, ops).table(table.name)
    registered = connect_of(pipeline, connections).config(pipeline.source.connector) or {}
    missing = {column.name for column in table.live_columns} - table.unsent - sent_by(registered, table)
    if missing:
        raise ConfigurationError(
            f"connector {pipeline.source.connector} leaves out {', '.join(sorted(missing))} of "
            f"{table.source}, which the pipeline file declares: run `cdc apply`"
        )


def wait_captured(
    connection: Connection,
    source: SourceSpec,
    table: TableSpec,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until the connector has confirmed everything that the source had logged when this was called.

    Debezium confirms a position only once Kafka has everything before it.

    Args:
        connection: the capturing role.
        source: slot and publication.
        table: what has to be published, so that nothing that comes later is missing.
        sleep: as in `time`.

    Raises:
        ConfigurationError: the table is not in the publication.
        UnavailableError: the connector does not come so far in time, or there is no slot.
    """
    slot = source.slot
    with connect_postgres(connection, autocommit=True, application_name="cdc-schema") as session:
        if (table.schema_name, table.table_name) not in published_tables(session, source.publication):
            raise ConfigurationError(
                f"{table.source} is not in publication {source.publication}, since it was made anew: run "
                "`cdc apply`"
            )
        row = session.execute("SELECT pg_current_wal_lsn()::text").fetchone()
        wanted = row[0] if row else "0/0"
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            found = session.execute(
                "SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = %s",
                (wanted, slot),
            ).fetchone()
            if found is not None and found[0]:
                return
            sleep(POLL_S)
    raise UnavailableError(
        f"the connector has not confirmed {wanted} on slot {slot} within {WAIT_S:.0f} s: see that it runs "
        "(`cdc status`), then try again"
    )
