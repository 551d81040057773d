"""Who may start now: a few at a time, heavy ones fewer, earlier components before later ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class StartGate:
    """Slots for starting components.

    Two JVMs that start together on two cores take longer than one after the other, and everything else waits.
    """

    def __init__(self, slots: int, heavy_slots: int) -> None:
        """Let `slots` components start at a time, of them `heavy_slots` heavy ones."""
        self._free = {False: slots, True: heavy_slots}
        self._queue: list[tuple[int, bool]] = []
        self._changed = threading.Condition()

    @contextmanager
    def slot(self, rank: int, *, heavy: bool, stop: threading.Event) -> Iterator[bool]:
        """Wait for a slot, lowest rank first; yields False when `stop` was set meanwhile."""
        granted = self._enter((rank, heavy), stop)
        try:
            yield granted
        finally:
            if granted:
                with self._changed:
                    self._give(heavy, 1)
                    self._changed.notify_all()

    def _enter(self, ticket: tuple[int, bool], stop: threading.Event) -> bool:
        with self._changed:
            self._queue.append(ticket)
            while not stop.is_set() and self._next() != ticket:
                self._changed.wait(0.2)
            self._queue.remove(ticket)
            if stop.is_set():
                return False
            self._give(ticket[1], -1)
            self._changed.notify_all()
            return True

    def _next(self) -> tuple[int, bool] | None:
        if self._free[False] <= 0:
            return None
        return min((ticket for ticket in self._queue if not ticket[1] or self._free[True] > 0), default=None)

    def _give(self, heavy: bool, count: int) -> None:
        self._free[False] += count
        if heavy:
            self._free[True] += count
