"""Ensure that a stream runs, without Airflow: what `cdc stream start` does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cdc.clients.yarn import Application, YarnClient
from cdc.errors import UnavailableError
from cdc.ops import OpsStore
from cdc.services.streams import Restart, Reuse, ensure_decision, find_live, stop_stream
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
) -> Application:
    """Find the live driver, or submit one; a driver with another spec is stopped first.

    Two callers at once leave one driver: look-up and submission happen under one lock in the ops store, held
    until the ResourceManager lists the new application.

    Raises:
        UnavailableError: YARN or the ops store does not answer.
        ConfigurationError: spark-submit refuses.
    """
    wanted = pipeline.spec_hash(stream)
    with ops.exclusively(f"launch {stream.app_name}"):
        decision = ensure_decision(find_live(yarn, stream), stream.app_name, wanted)
        on_step(f"{stream.app_name}: {decision.sentence}")
        if isinstance(decision, Reuse):
            ops.request_run(pipeline.name, stream.name)
            return decision.application
        if isinstance(decision, Restart):
            on_step(stop_stream(yarn, ops, stream).sentence)
        ops.request_run(pipeline.name, stream.name)
        submit(pipeline, stream, pipeline_file, settings)
        application = _appeared(yarn, stream)
        ops.record_launch(pipeline.name, stream.name, application.id, wanted)
        on_step(f"{stream.app_name}: submitted as {application.id}")
        return application


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
