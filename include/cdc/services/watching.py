"""Looks that remember: a slot's growth, restarts of failed tasks, how old watermarks are, dead letters."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime

import psycopg

from cdc.connections import Connections
from cdc.errors import CdcError, TerminalError, TransientError
from cdc.model.desired import Desired
from cdc.model.health import Verdict, evaluate
from cdc.model.restarts import WINDOW, Restart, may_restart, what_failed, with_restarts
from cdc.model.samples import (
    ConnectorSample,
    DeadLettersSample,
    SlotSample,
    WatermarkAge,
    WatermarksSample,
)
from cdc.model.slot_health import GROWTH_WINDOW, retained_growth
from cdc.ops import OpsStore
from cdc.services.dead_letters import tables_gone
from cdc.services.health import sample_connector, sample_slot
from cdc.services.left_out import leave_out, take_back
from cdc.services.reach import connect_of
from cdc.spec import Pipeline


def watch_slot(pipeline: Pipeline, connections: Connections) -> SlotSample:
    """The slot, and by how much what it retains grows; the look is kept for the next ones."""
    sample = sample_slot(pipeline, connections)
    if sample.retained_bytes is None:
        return sample
    # A slot in danger is told of also when nobody remembers how it was before.
    with contextlib.suppress(TransientError), OpsStore(connections.get(pipeline.ops.connection)) as ops:
        ops.ensure_schema()
        ops.record_slot(pipeline.name, sample.slot, sample.at, sample.retained_bytes)
        points = ops.slot_points(pipeline.name, sample.slot, sample.at - GROWTH_WINDOW)
        return replace(sample, retained_per_s=retained_growth(points))
    return sample


def watch_connector(pipeline: Pipeline, connections: Connections) -> tuple[ConnectorSample, Verdict]:
    """The connector; what has failed of it is restarted, as often as the pipeline allows.

    A restart is recorded before it is asked for, so that none goes uncounted. Without the ops store nothing
    is restarted. A table whose earlier values stop it at each restart is left out meanwhile
    (`cdc.services.left_out`).
    """
    policy = pipeline.policies
    sample = sample_connector(pipeline, connections)
    verdict = evaluate(sample, policy)
    if sample.unreachable:
        return sample, verdict
    done: list[Restart] = []
    trouble = ""
    now = datetime.now(UTC)
    try:
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            ops.ensure_schema()
            done = _restarts(ops, pipeline, now)
            if what_failed(sample) and policy.connector_restarts_per_hour:
                with ops.exclusively(f"restart of connector {sample.connector}"):
                    done = _restarts(ops, pipeline, now)
                    if may_restart([one.at for one in done], policy.connector_restarts_per_hour, now):
                        done.append(_restart(ops, pipeline, connections, sample, now))
            elif not what_failed(sample):
                take_back(pipeline, connections, ops)
    except (TransientError, TerminalError) as error:
        trouble = str(error) if what_failed(sample) else ""
    return sample, with_restarts(verdict, done, policy.connector_restarts_per_hour, now, trouble)


def _restarts(ops: OpsStore, pipeline: Pipeline, now: datetime) -> list[Restart]:
    every = ops.restarts(pipeline.name, now - WINDOW)
    return [one for one in every if one.connector == pipeline.source.connector]


def _restart(
    ops: OpsStore, pipeline: Pipeline, connections: Connections, sample: ConnectorSample, now: datetime
) -> Restart:
    cause = next((task.cause[:500] for task in sample.tasks if task.trace), "no trace")
    one = Restart(sample.connector, what_failed(sample), cause, now)
    ops.record_restart(pipeline.name, one)
    without: tuple[str, ...] = ()
    # What cannot be looked at now is restarted as ever, and looked at again when it fails again.
    with contextlib.suppress(CdcError, psycopg.Error):
        without = leave_out(pipeline, connections, ops)
    if not without:
        connect_of(pipeline, connections).restart(sample.connector)
    return one


def sample_watermarks(pipeline: Pipeline, connections: Connections) -> WatermarksSample:
    """How old the watermarks are, as the ops store has them; those of paused streams are meant to be old."""
    now = datetime.now(UTC)
    scheduled = pipeline.policies.watermarks_schedule is not None
    try:
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            known = {(one.table, one.sink): one for one in ops.watermarks(pipeline.name)}
            launches = {
                stream.name: ops.launch(pipeline.name, stream.name)
                for stream in pipeline.streams
                if ops.desired_state(pipeline.name, stream.name) is not Desired.PAUSED
            }
    except TransientError as error:
        return WatermarksSample(pipeline.name, now, unreachable=str(error))
    ages = []
    for table in pipeline.tables:
        if table.stream not in launches:
            continue
        launch = launches[table.stream]
        for sink in pipeline.sinks:
            one = known.get((table.name, sink.name))
            ages.append(
                WatermarkAge(
                    table.name,
                    sink.name,
                    one.proven_at if one else None,
                    one.complete_until if one else None,
                    one.doubt if one else "",
                    launch.waiting_since if launch else None,
                )
            )
    return WatermarksSample(pipeline.name, now, tuple(ages), scheduled)


def sample_dead_letters(pipeline: Pipeline, connections: Connections) -> DeadLettersSample:
    """What waits as dead letters, as the ops store has it."""
    now = datetime.now(UTC)
    try:
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            counts = ops.count_dead_letters(pipeline.name)
            since, newest = ops.span_of_dead_letters(pipeline.name) if counts else (None, "")
    except TransientError as error:
        return DeadLettersSample(pipeline.name, now, unreachable=str(error))
    gone = tables_gone(pipeline, (table for table, _ in counts))
    return DeadLettersSample(pipeline.name, now, counts, since, newest, gone)
