"""Streams on YARN: find the live driver, decide what to do about it, stop it gracefully."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from cdc.clients.yarn import Application, YarnClient
from cdc.model.desired import Desired
from cdc.ops import OpsStore
from cdc.services.launch import spec_tag
from cdc.spec import StreamSpec

POLL_S = 1.0
GRACE_S = 90.0


@dataclass(frozen=True)
class Submit:
    """There is no live driver."""

    sentence: str = "submit, there is no live driver"


@dataclass(frozen=True)
class Reuse:
    """The live driver is the wanted one."""

    application: Application

    @property
    def sentence(self) -> str:
        """What is so."""
        return f"{self.application.id} runs with this spec"


@dataclass(frozen=True)
class Restart:
    """The live driver has another spec: stop it, then submit."""

    application: Application

    @property
    def sentence(self) -> str:
        """What is done."""
        return f"restart, {self.application.id} runs with another spec"


@dataclass(frozen=True)
class Stopped:
    """How a stream ended; `killed` when it did not obey in time."""

    stream: str
    application_id: str | None
    killed: bool = False

    @property
    def sentence(self) -> str:
        """What happened."""
        if self.application_id is None:
            return f"{self.stream}: was not running"
        if self.killed:
            return f"{self.stream}: {self.application_id} did not stop in time and was killed"
        return f"{self.stream}: {self.application_id} has stopped after its batch"


def launch_lock(ops: OpsStore, app_name: str) -> AbstractContextManager[None]:
    """Held by whoever looks for a stream's driver and then submits or ends one (`OpsStore.exclusively`)."""
    return ops.exclusively(f"launch {app_name}")


def find_live(yarn: YarnClient, stream: StreamSpec) -> Application | None:
    """The driver of this stream that has not ended; the oldest, should there be several."""
    return next(iter(yarn.applications(tags=[stream.app_name])), None)


def live_applications(yarn: YarnClient, stream: StreamSpec) -> list[Application]:
    """What has not ended of this stream: its driver, and runs of its job that end by themselves."""
    name = stream.app_name
    return [
        application
        for application in yarn.applications()
        if any(tag == name or tag.startswith(f"{name}-") for tag in application.tags)
    ]


def ensure_decision(live: Application | None, app_name: str, wanted_hash: str) -> Submit | Reuse | Restart:
    """Decide between submitting, leaving alone and restarting."""
    if live is None:
        return Submit()
    return Reuse(live) if spec_tag(app_name, wanted_hash).lower() in live.tags else Restart(live)


def request_end(ops: OpsStore, stream: StreamSpec, desired: Desired = Desired.STOPPED) -> None:
    """Ask the driver to end after the batch it is in; it looks between batches.

    Args:
        ops: the ops store.
        stream: the stream.
        desired: what is wanted of the stream from now on.
    """
    ask = {
        Desired.STOPPED: ops.request_stop,
        Desired.PAUSED: ops.request_pause,
        Desired.RESTARTING: ops.request_drain,
    }[desired]
    ask(stream.pipeline, stream.name)


def stop_stream(
    yarn: YarnClient,
    ops: OpsStore,
    stream: StreamSpec,
    grace_s: float = GRACE_S,
    sleep: Callable[[float], None] = time.sleep,
    desired: Desired = Desired.STOPPED,
) -> Stopped:
    """Stop a stream and wait until it has ended; killed when it does not obey within `grace_s`."""
    return stop_all(yarn, ops, [stream], grace_s, sleep, desired)[0]


def stop_all(
    yarn: YarnClient,
    ops: OpsStore,
    streams: Sequence[StreamSpec],
    grace_s: float = GRACE_S,
    sleep: Callable[[float], None] = time.sleep,
    desired: Desired = Desired.STOPPED,
) -> list[Stopped]:
    """Ask every stream to stop, then wait for all of them at once."""
    live: dict[str, list[Application]] = {}
    for stream in streams:
        request_end(ops, stream, desired)
        live[stream.app_name] = yarn.applications(tags=[stream.app_name])
    waiting = {application.id for applications in live.values() for application in applications}
    left = end_applications(yarn, waiting, grace_s, sleep)
    return [_stopped(stream.app_name, live[stream.app_name], left) for stream in streams]


def end_applications(
    yarn: YarnClient, waiting: set[str], grace_s: float, sleep: Callable[[float], None] = time.sleep
) -> set[str]:
    """Wait until applications have ended, and kill those that have not after `grace_s`; returns these."""
    left = _wait_ended(yarn, waiting, grace_s, sleep)
    for application_id in left:
        yarn.kill(application_id)
    _wait_ended(yarn, left, 30.0, sleep)
    return left


def _wait_ended(
    yarn: YarnClient, waiting: set[str], grace_s: float, sleep: Callable[[float], None]
) -> set[str]:
    deadline = time.monotonic() + grace_s
    left = set(waiting)
    while left:
        left = {name for name in left if (found := yarn.application(name)) is not None and found.live}
        if not left or time.monotonic() > deadline:
            break
        sleep(POLL_S)
    return left


def _stopped(app_name: str, applications: list[Application], killed: set[str]) -> Stopped:
    if not applications:
        return Stopped(app_name, None)
    return Stopped(app_name, applications[0].id, any(a.id in killed for a in applications))
