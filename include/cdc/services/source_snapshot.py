"""A part of a table read by a snapshot of Debezium's: asked for once, waited for, told."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid4

from cdc.clients.postgres import connect_postgres, read_log_end
from cdc.connections import Connections
from cdc.errors import UnavailableError
from cdc.model.bounded_run import BoundedRun, Scope, offsets_of
from cdc.ops import OpsStore
from cdc.services.fences import Ends, Fences, Patience
from cdc.services.snapshot_signals import SnapshotKind, ask_for_rows
from cdc.services.source_keys import SourceKeys
from cdc.services.watermarks import snapshots_under_way
from cdc.spec import Pipeline, TableSpec

POLL_S = 1.0
STANDSTILL_S = 600.0
"""How long Debezium may bring nothing while its snapshot is under way."""
_PATIENCE = Patience(sink_s=3600.0)
# A blocking snapshot holds up the capture of everything until it ends.
_BLOCKED = Patience(capture_s=3600.0, sink_s=3600.0)


def snapshot_part(
    pipeline: Pipeline,
    connections: Connections,
    ops: OpsStore,
    table: TableSpec,
    run: BoundedRun,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Have Debezium read the run's rows, and return once every sink of it has written them.

    How it works: the signal's number is recorded before the signal is written, so a run that is begun again
    waits for the same snapshot. Debezium's own offsets name the tables that it still has to read, and survive
    its restarts.

    Raises:
        UnavailableError: a component does not answer, or the snapshot stands still.
    """
    fences = Fences(pipeline, connections, ops, table, _PATIENCE)
    begun = run.position.get("since")
    since = offsets_of(begun) if begun is not None else dict(fences.ends())
    signal = str(run.position.get("signal") or uuid4())
    position = {"signal": signal, "since": since}
    ops.advance_run(run.id, run.done, position)
    scope = Scope.from_document(run.window)
    # Before the rows are asked for: Debezium leaves those out that change meanwhile.
    ops.record_reread(pipeline.name, table.name, run.sinks, _position(pipeline, connections))
    kind = _ask(pipeline, connections, table, scope, signal)
    if kind == "blocking":
        fences = Fences(pipeline, connections, ops, table, _BLOCKED)
    fences.wait_captured(_position(pipeline, connections))
    done, still = run.done, 0.0
    while {"", table.source} & set(snapshots_under_way(pipeline, connections)):
        before, done = done, max(done, _since(since, fences.ends()))
        still = 0.0 if done > before else still + POLL_S
        if still > STANDSTILL_S:
            raise UnavailableError(
                f"the snapshot of {table.source} has brought nothing for {STANDSTILL_S:.0f} s: is the "
                "connector running? `cdc status` says so"
            )
        ops.advance_run(run.id, done, position)
        sleep(POLL_S)
    fences.wait_captured(_position(pipeline, connections))
    ends = fences.ends()
    ops.advance_run(run.id, max(done, _since(since, ends)), position)
    for sink in run.sinks:
        fences.wait_written(sink, ends)
    ops.end_run(run.id)


def _ask(
    pipeline: Pipeline, connections: Connections, table: TableSpec, scope: Scope, signal: str
) -> SnapshotKind:
    """Write the signal, if it is not there."""
    source = connections.get(pipeline.source.connection)
    condition = SourceKeys(source, table, scope).filter_text()
    with connect_postgres(source, autocommit=True, application_name="cdc-backfill") as session:
        kinds = ask_for_rows(
            session, pipeline.source.signal_table, [table.source], condition=condition, signal=signal
        )
    return kinds[table.source]


def _position(pipeline: Pipeline, connections: Connections) -> int:
    return read_log_end(connections.get(pipeline.source.connection), "cdc-backfill")


def _since(since: Ends, ends: Ends) -> int:
    return sum(end - since.get(partition, 0) for partition, end in ends.items())
