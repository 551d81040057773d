"""Ensure that a stream runs, without Airflow: what `cdc stream start` does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cdc.clients.yarn import Application, YarnClient
from cdc.errors import ConfigurationError, UnavailableError
from cdc.model.desired import Desired, ended_meanwhile, refusal
from cdc.ops import OpsStore
from cdc.services.orphans import end_doubles
from cdc.services.streams import Restart, Reuse, ensure_decision, find_live, launch_lock, stop_stream
from cdc.services.submit import submit
from cdc.settings import Settings
from cdc.spec import Pipeline, StreamSpec

APPEARS_WITHIN_S = 30.0


def start_stream(
    pipeline: Pipeline,
    stream: StreamSpec,
    pipeline_file: Path,
    settings: Settings,
    yarn: YarnClient,
    ops: OpsStore,
    on_step: Callable[[str], None],
    *,
    resume: bool = False,
) -> Application:
    """Find the live driver, or submit one; a driver with another spec is stopped first.

    A paused stream starts only with `resume`.

    Two callers at once leave one driver: look-up and submission happen under one lock in the ops store, held
    until the ResourceManager lists the new application.

    Raises:
        UnavailableError: YARN or the ops store does not answer.
        ConfigurationError: spark-submit refuses, or the stream is paused, or was paused or stopped meanwhile.
    """
    wanted = pipeline.spec_hash(stream)
    before = ops.desired_state(pipeline.name, stream.name)
    if why := refusal(before, "resume" if resume else "start"):
        raise ConfigurationError(f"{stream.app_name} is not started: {why}")
    with launch_lock(ops, stream.app_name):
        live, doubles = end_doubles(yarn, ops, stream)
        for orphan in doubles:
            on_step(f"{stream.app_name}: ended, {orphan.sentence}")
        decision = ensure_decision(live, stream.app_name, wanted)
        now = _still_wanted(ops, stream, before)
        if isinstance(decision, Reuse) and now is Desired.RESTARTING:
            # A restart that was broken off has left a driver that may be about to end.
            decision = Restart(decision.application)
        on_step(f"{stream.app_name}: {decision.sentence}")
        if isinstance(decision, Reuse):
            ops.request_run(pipeline.name, stream.name)
            return decision.application
        if isinstance(decision, Restart):
            on_step(stop_stream(yarn, ops, stream, desired=Desired.RESTARTING).sentence)
            _still_wanted(ops, stream, Desired.RESTARTING)
        ops.request_run(pipeline.name, stream.name)
        submit(pipeline, stream, pipeline_file, settings)
        application = _appeared(yarn, stream)
        ops.record_launch(pipeline.name, stream.name, application.id, wanted)
        on_step(f"{stream.app_name}: submitted as {application.id}")
        return application


def _still_wanted(ops: OpsStore, stream: StreamSpec, before: Desired) -> Desired:
    now = ops.desired_state(stream.pipeline, stream.name)
    if why := ended_meanwhile(before, now):
        raise ConfigurationError(f"{stream.app_name} is not started: {why}")
    return now


def _appeared(
    yarn: YarnClient, stream: StreamSpec, sleep: Callable[[float], None] = time.sleep
) -> Application:
    deadline = time.monotonic() + APPEARS_WITHIN_S
    while time.monotonic() < deadline:
        if (found := find_live(yarn, stream)) is not None:
            return found
        sleep(0.5)
    raise UnavailableError(
        f"{stream.app_name} was submitted and is not listed by YARN after {APPEARS_WITHIN_S:.0f} s: it "
        "ended at "
        "once; see the application's log in the ResourceManager"
    )
