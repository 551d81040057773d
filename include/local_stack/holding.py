"""Stops one component of a running stack for a while, as an outage does: the others go on."""

from __future__ import annotations

import contextlib
import os
import time

from cdc.errors import ConfigurationError, UnavailableError
from local_stack.stack import LocalStack
from local_stack.supervisor.hold import hold
from local_stack.supervisor.process import is_alive
from local_stack.supervisor.record import ComponentRecord

STOP_LIMIT_S = 40.0
POLL_S = 0.1


def stop_and_hold(stack: LocalStack, name: str, seconds: float) -> None:
    """End a component as a stop of the stack would; the supervisor starts it again after so many seconds.

    Args:
        stack: a running stack.
        name: the component's.
        seconds: counted from the end of its process; `supervisor.hold.release` ends it earlier.

    Raises:
        ConfigurationError: there is no such component.
        UnavailableError: the stack is down, or the process does not end.
    """
    before = _component(stack, name)
    hold(stack.places.home, name, STOP_LIMIT_S + seconds)
    if before.pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(before.pid, before.stop_signal)
        _wait_for_end(stack, before)
    hold(stack.places.home, name, seconds)


def _wait_for_end(stack: LocalStack, before: ComponentRecord) -> None:
    """Wait until the process has ended, and the supervisor has ended what was left of its group."""
    deadline = time.monotonic() + STOP_LIMIT_S
    while is_alive(before.pid, before.birth) or _component(stack, before.name).pid == before.pid:
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"{before.name} (pid {before.pid}) has not ended {STOP_LIMIT_S:.0f} s after its stop"
            )
        time.sleep(POLL_S)


def _component(stack: LocalStack, name: str) -> ComponentRecord:
    record = stack.record()
    if record is None:
        raise UnavailableError(f"the stack in {stack.places.home} is down: `make up` starts it")
    found = record.component(name)
    if found is None:
        known = ", ".join(component.name for component in record.components)
        raise ConfigurationError(f"{name!r} is no component of this stack; there are: {known}")
    return found
