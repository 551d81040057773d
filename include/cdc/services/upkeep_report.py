"""What a run of upkeep did, and what its steps share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

Horizon = dict[int, int]
"""For each Kafka partition the version below which tombstones may go."""

NO_HORIZON = "tombstones: no horizon is old enough yet, a later run removes them"
WAITS = "tombstones: {}; they stay meanwhile, and a later run removes them"
"""While a backfill, replay or resync of the table is under way."""
TIME_IS_UP = "the time of this run is used up"
BROKEN_OFF = "the run was broken off: {}"
"""Of tables that a run did not get to."""


@dataclass(frozen=True)
class PartitionUpkeep:
    """A partition of a ClickHouse table that had more parts than one.

    Attributes:
        before, after: its parts, rows and bytes (compressed, on disk).
        seconds: what the merge took.
        left: why it was not merged; empty when it was.
    """

    id: str
    before: dict[str, int]
    after: dict[str, int]
    seconds: float = 0.0
    left: str = ""

    @property
    def sentence(self) -> str:
        """What was done, or why not."""
        if self.left:
            return f"partition {self.id} of {self.before['parts']:,} parts: {self.left}"
        return (
            f"merged {self.before['parts']:,} parts of partition {self.id} in {self.seconds:.1f} s: "
            f"{changes(self.before, self.after)}"
        )


@dataclass(frozen=True)
class TableUpkeep:
    """What was done to one table of a sink.

    Attributes:
        sink: or another place that `cdc.ops.maintenance` names, without a table.
        before, after: figures such as parts, rows, bytes and tombstones.
        done: what was done, in words.
        left: what was not, and why.
        partitions: figures of those that were, or should have been, merged; in ClickHouse only.
    """

    sink: str
    table: str
    before: dict[str, int]
    after: dict[str, int]
    done: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    partitions: tuple[PartitionUpkeep, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, without the place."""
        return {name: value for name, value in asdict(self).items() if name not in ("sink", "table")}

    def lines(self) -> list[str]:
        """For a log: figures before and after, then what was done and left."""
        return [
            f"{self.table} in {self.sink}: {changes(self.before, self.after)}",
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


def changes(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    """Figures before and after."""
    return ", ".join(f"{name} {figure:,} → {after.get(name, 0):,}" for name, figure in before.items())


class Deadline:
    """When nothing else is begun."""

    def __init__(self, minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._end = clock, clock() + minutes * 60

    @property
    def passed(self) -> bool:
        """The time is used up."""
        return self._clock() >= self._end
