"""Which parts of a ClickHouse table are worth a merge now, and how much of it fits the budget. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class PartitionSample:
    """A partition of a MergeTree table.

    Attributes:
        id: ClickHouse's partition id; `all` of a table that has none.
        parts: its active parts; one part holds each key once.
        bytes: on disk, compressed.
    """

    table: str
    id: str
    parts: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class Budget:
    """What one run may use.

    Attributes:
        bytes: the most that is merged, compressed.
        merges: so many merges that run already are enough: nothing is added to them.
    """

    bytes: int
    merges: int


@dataclass(frozen=True)
class MergePlan:
    """What is merged, in this order, and why the rest is not."""

    chosen: tuple[PartitionSample, ...] = ()
    skipped: tuple[tuple[PartitionSample, str], ...] = ()


def plan_merges(samples: Iterable[PartitionSample], running: int, budget: Budget) -> MergePlan:
    """Choose partitions: most parts first, since a table with too many of them refuses inserts.

    Args:
        samples: every partition.
        running: merges that run already.
        budget: what the run may use.
    """
    chosen: list[PartitionSample] = []
    skipped: list[tuple[PartitionSample, str]] = []
    left = budget.bytes
    for sample in sorted(samples, key=lambda sample: (-sample.parts, sample.bytes, sample.table, sample.id)):
        if sample.parts <= 1:
            continue  # one part has each key once
        if running >= budget.merges:
            skipped.append((sample, f"{running} merges run already, the limit is {budget.merges}"))
        elif sample.bytes > left:
            skipped.append(
                (sample, f"{sample.bytes:,} bytes are more than the {left:,} that are left of the budget")
            )
        else:
            chosen.append(sample)
            left -= sample.bytes
    return MergePlan(tuple(chosen), tuple(skipped))
