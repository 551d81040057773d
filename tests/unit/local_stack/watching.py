"""What the tests look at while a toy stack runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from local_stack.stack import LocalStack
from local_stack.supervisor.policy import State
from local_stack.supervisor.record import ComponentRecord


def events(stack: LocalStack) -> list[str]:
    path = stack.places.home / "events"
    return path.read_text().splitlines() if path.exists() else []


def component(stack: LocalStack, name: str) -> ComponentRecord:
    record = stack.record()
    assert record is not None
    found = record.component(name)
    assert found is not None
    return found


def running(stack: LocalStack, name: str, restarts: int) -> Callable[[], bool]:
    return lambda: (c := component(stack, name)).state is State.RUNNING and c.restarts == restarts


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
