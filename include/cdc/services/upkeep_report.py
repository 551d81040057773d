"""What a run of upkeep did, and what its steps share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

Horizon = dict[int, int]
"""For each Kafka partition the version below which tombstones may go."""

NO_HORIZON = "tombstones: no horizon is old enough yet, a later run removes them"
WAITS = "tombstones: {}; they stay meanwhile, and a later run removes them"
"""While a backfill, replay or resync of the table is under way."""
TIME_IS_UP = "the time of this run is used up"


@dataclass(frozen=True)
class TableUpkeep:
    """What was done to one table of a sink.

    Attributes:
        before, after: figures such as parts, rows, bytes and tombstones.
        done: what was done, in words.
        left: what was not, and why.
    """

    sink: str
    table: str
    before: dict[str, int]
    after: dict[str, int]
    done: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For a log: figures before and after, then what was done and left."""
        figures = ", ".join(f"{name} {self.before[name]:,} → {self.after[name]:,}" for name in self.before)
        return [
            f"{self.table} in {self.sink}: {figures}",
            *self.done,
            *(f"not done: {text}" for text in self.left),
        ]


@dataclass(frozen=True)
class UpkeepReport:
    """A whole run.

    Attributes:
        purged: how many old facts went from the ops store, by kind.
    """

    pipeline: str
    tables: tuple[TableUpkeep, ...]
    purged: dict[str, int]


class Deadline:
    """When nothing else is begun."""

    def __init__(self, minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._end = clock, clock() + minutes * 60

    @property
    def passed(self) -> bool:
        """The time is used up."""
        return self._clock() >= self._end
