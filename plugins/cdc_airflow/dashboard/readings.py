"""Answers that are never waited for longer than a moment: asked in a thread, kept, shown with their time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Generic, TypeVar

import structlog

from cdc.errors import CdcError

T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Reading(Generic[T]):
    """The newest answer.

    Attributes:
        value: None before the first answer.
        at: when the answer came.
        problem: why the newest question brought none; the value is an older one then.
    """

    value: T | None = None
    at: datetime | None = None
    problem: str = ""


@dataclass
class _Slot:
    """What is known of one question."""

    reading: Reading[object]
    asked_at: float = float("-inf")
    done: threading.Event | None = None


class Readings:
    """Asks each question at most once at a time, and answers from memory meanwhile.

    How it works: a question whose answer is older than its age limit is asked in a thread of its own, and
    waited for up to `patience_s`. After that the older answer is returned with its time. A component that
    hangs therefore costs one thread, and a page a moment.

    What it does not do: cancel. A question ends by the time limits of its own client.

    Args:
        patience_s: how long one call of `get` waits.
        monotonic: time.
    """

    def __init__(self, patience_s: float = 2.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._patience_s, self._monotonic = patience_s, monotonic
        self._slots: dict[Hashable, _Slot] = {}
        self._lock = threading.Lock()

    def ask(self, key: Hashable, question: Callable[[], object], max_age_s: float) -> None:
        """Begin to ask, when the answer is too old and nobody asks already; returns at once."""
        with self._lock:
            slot = self._slots.setdefault(key, _Slot(Reading()))
            if slot.done is not None or self._monotonic() - slot.asked_at < max_age_s:
                return
            slot.done, slot.asked_at = threading.Event(), self._monotonic()
        threading.Thread(target=self._run, args=(slot, slot.done, question), daemon=True).start()

    def get(self, key: Hashable, question: Callable[[], T], max_age_s: float) -> Reading[T]:
        """The answer; the newest one that there is, when it does not come in time."""
        self.ask(key, question, max_age_s)
        slot = self._slots[key]
        done = slot.done
        if done is not None:
            left = slot.asked_at + self._patience_s - self._monotonic()
            if not done.wait(max(0.0, left)):
                waited = self._monotonic() - slot.asked_at
                found: Reading[T] = slot.reading  # type: ignore[assignment] # one key, one kind of answer
                return replace(found, problem=f"no answer for {waited:.0f} s")
        return slot.reading  # type: ignore[return-value]

    def _run(self, slot: _Slot, done: threading.Event, question: Callable[[], object]) -> None:
        try:
            value = question()
            reading = Reading(value, datetime.now(UTC))
        except Exception as error:  # a page shows the reason, whatever it is
            if not isinstance(error, CdcError):
                log.exception("a question of the dashboard failed")
            reading = replace(slot.reading, problem=f"{type(error).__name__}: {error}"[:500])
        with self._lock:
            slot.reading, slot.done = reading, None
        done.set()
