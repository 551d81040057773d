"""The board on which keepers write what their component does, and on which they wait for each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from local_stack.supervisor.policy import State
from local_stack.supervisor.record import ComponentRecord, Phase, SupervisorRecord


class Board:
    """The supervisor's record, shared by its threads; each change is handed to `write` at once."""

    def __init__(self, record: SupervisorRecord, write: Callable[[SupervisorRecord], None]) -> None:
        """Begin with `record`."""
        self._record = record
        self._write = write
        self._changed = threading.Condition()
        write(record)

    @property
    def record(self) -> SupervisorRecord:
        """The latest record."""
        return self._record

    def set_phase(self, phase: Phase) -> None:
        """Say what the whole stack is doing."""
        with self._changed:
            self._record = self._record.model_copy(update={"phase": phase})
            self._write(self._record)

    def update(self, name: str, **changes: Any) -> None:
        """Change a component's record; a new state is stamped with the time."""
        with self._changed:
            components = tuple(
                _changed(component, changes) if component.name == name else component
                for component in self._record.components
            )
            self._record = self._record.model_copy(update={"components": components})
            self._write(self._record)
            self._changed.notify_all()

    def wait_for(self, names: Iterable[str], state: State, stop: threading.Event | None = None) -> bool:
        """Wait until all of them are in that state; False when `stop` was set first."""
        wanted = frozenset(names)
        with self._changed:
            while not (stop and stop.is_set()):
                if all(c.state is state for c in self._record.components if c.name in wanted):
                    return True
                self._changed.wait(0.2)
            return False


def _changed(component: ComponentRecord, changes: dict[str, Any]) -> ComponentRecord:
    if changes.get("state", component.state) is not component.state:
        changes = {"since": time.time(), **changes}
    return component.model_copy(update=changes)
