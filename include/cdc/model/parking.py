"""Parking: one table of a stream steps aside, with the offsets where it begins, and the others go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

MIN_EVENTS_TO_PARK = 3


@dataclass(frozen=True)
class ParkedTable:
    """A table that is not written to a sink for now.

    Attributes:
        table: the table's name in the sinks.
        offsets: the first offset that is not written, for each partition; one that is missing begins at 0,
            since reading too much again changes nothing.
        released: the query writes the table again, and what it skipped is still being read again.
        version: another one each time that this is written down, also with the same values.
        left_out_until: the connector leaves the table out until it has passed this position of the source's
            log; None when it captures it.
        times_left_out: how often changes of the table were left out since it was parked; a topic that was
            made anew since counts too.
        parked_at: since when.
        exchanging: the new build with which it is exchanged; some sinks may have it and others not. None
            otherwise.
    """

    table: str
    sink: str
    reason: str
    offsets: Mapping[int, int] = field(default_factory=dict)
    released: bool = False
    version: str = field(default="", compare=False)
    left_out_until: int | None = None
    times_left_out: int = 0
    parked_at: datetime | None = field(default=None, compare=False)
    exchanging: str | None = field(default=None, compare=False)

    @property
    def incomplete(self) -> bool:
        """The table's events do not tell all of its changes, so only a new build brings it back."""
        return self.times_left_out > 0


def should_park(bad: int, total: int) -> bool:
    """All events of a table in a batch are bad: a schema change, not bad rows.

    A table that sends one or two events is not judged by them; they are dead letters like any other.
    """
    return total >= MIN_EVENTS_TO_PARK and bad == total


def skip(offset: int, partition: int, parked: ParkedTable) -> bool:
    """True when this event waits for the table to be resumed."""
    return offset >= parked.offsets.get(partition, 0)


def merged(before: ParkedTable, after: ParkedTable) -> ParkedTable:
    """A table that is parked again keeps the earliest offsets, so that resuming leaves nothing out.

    A partition that one of them lacks was skipped from 0 on: the table was parked before its first batch, or
    the partition was added since.
    """
    partitions = sorted({*before.offsets, *after.offsets})
    offsets = {p: min(parked.offsets.get(p, 0) for parked in (before, after)) for p in partitions}
    return ParkedTable(after.table, after.sink, after.reason, offsets)


def resume_from(parked: ParkedTable, partitions: Iterable[int]) -> dict[int, int]:
    """Where the bounded re-read of each partition begins."""
    return {partition: parked.offsets.get(partition, 0) for partition in partitions}
