"""The streams as `up` and `down` see them: ended before the components, wanted again after the next start.

`down` notes which streams it ended, because a stream that a person has stopped must stay stopped after `up`.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from cdc.clients.yarn import Application, YarnClient
from cdc.connections import Connections
from cdc.errors import CdcError
from cdc.ops import OpsStore
from cdc.services.streams import find_live
from cdc.services.streams import stop_all as end_streams
from cdc.spec import Pipeline, StreamSpec, load_pipelines
from local_stack.component import StackContext
from local_stack.envfile import write_atomically

YARN = "cdc_yarn"
RUNNING = "running"
STOP_GRACE_S = 75.0

log = logging.getLogger("supervisor")


def pipelines_of(ctx: StackContext) -> tuple[Pipeline, ...]:
    """The stack's pipelines."""
    env = ctx.stack_env()
    return load_pipelines(Path(env["CDC_PIPELINES_DIR"]), env["CDC_ENV"])


def stop_all(ctx: StackContext) -> None:
    """End every live stream between two batches, and note which; what cannot be asked is logged."""
    connections = Connections.from_file(ctx.connections_file)
    yarn = YarnClient(connections.get(YARN).url())
    # What an earlier stop noted and no start has taken back yet still counts.
    noted = _noted(ctx)
    for pipeline in pipelines_of(ctx):
        live = [stream for stream in pipeline.streams if find_live(yarn, stream) is not None]
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            noted |= {s.app_name for s in live if ops.desired_state(pipeline.name, s.name) == RUNNING}
            # Written before the first one stops: a stop that is broken off is made good by the next start.
            write_atomically(_file(ctx), json.dumps(sorted(noted)) + "\n")
            for stopped in end_streams(yarn, ops, live, grace_s=STOP_GRACE_S):
                log.info("%s", stopped.sentence)


def want_again(ctx: StackContext) -> tuple[tuple[Pipeline, StreamSpec], ...]:
    """Take back the stop of the streams that `stop_all` ended; returns them.

    Raises:
        UnavailableError: the ops store does not answer.
    """
    noted = _noted(ctx)
    connections = Connections.from_file(ctx.connections_file)
    again = tuple(
        (pipeline, stream)
        for pipeline in pipelines_of(ctx)
        for stream in pipeline.streams
        if stream.app_name in noted
    )
    for pipeline, stream in again:
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            ops.request_run(pipeline.name, stream.name)
    _file(ctx).unlink(missing_ok=True)
    return again


def states(ctx: StackContext) -> dict[str, str]:
    """YARN's state of each stream's live application, by stream; `stopped` when there is none.

    Raises:
        UnavailableError: the ResourceManager does not answer.
    """
    live = {application.name: application.state for application in _applications(ctx)}
    return {
        stream.name: live.get(stream.app_name, "stopped").lower()
        for pipeline in pipelines_of(ctx)
        for stream in pipeline.streams
    }


def spark_uis(ctx: StackContext) -> dict[str, str]:
    """Each driver's UI through YARN's proxy, by application name; {} when the ResourceManager is away."""
    try:
        return {a.name: a.tracking_url for a in _applications(ctx) if a.state == "RUNNING" and a.tracking_url}
    except CdcError:
        return {}


def _applications(ctx: StackContext) -> list[Application]:
    return YarnClient(Connections.from_file(ctx.connections_file).get(YARN).url()).applications()


def _noted(ctx: StackContext) -> set[str]:
    try:
        return set(json.loads(_file(ctx).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return set()


def _file(ctx: StackContext) -> Path:
    return ctx.state_dir / "streams-to-resume.json"
