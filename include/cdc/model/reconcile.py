"""Reconciliation: when a difference between a source row and a sink's row is real.

Source and sink are read at different times while changes flow, so most differences only mean that a change is
under way. The proof that one is real goes in this order:

1. E, the end offset of the key's partition;
2. the source's row, then the source's log position L;
3. wait until everything up to L is in Kafka (the replication slot has confirmed L), and read the ends again;
4. wait until the sink has passed those ends, and read its row;
5. read the ends once more;
6. when there is a difference, read the source's row again: it must not have been touched since.

A sink's row with a version below E then holds every change of the key before the source's row was read, and
none of them came after E: it has to be the source's row. A version at or above E tells of a change in
between, and the row is looked at again. A version above the last ends belongs to no event that exists:
it was written by somebody else, and would hide every later change.

Step 6 is for what leaves no version in a sink: a TRUNCATE, and an event whose missing values were not at the
source any more, which is not written since a later one is on its way.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cdc.model.version import pack


class Verdict(StrEnum):
    """What a comparison of one key proves."""

    SAME = "same"
    CHANGED = "changed"
    """A change came in between: look again."""
    REAL = "real"
    FOREIGN = "foreign"
    """The sink's row has a version that no event of the topic has: it goes before a repair can win."""


@dataclass(frozen=True)
class Fence:
    """Versions around a comparison, of one partition.

    Attributes:
        begin: above every event before the source's row was read (step 1).
        ceiling: above every event that existed when the sink's row was read (step 5).
    """

    begin: int
    ceiling: int


def fence_version(generation: int, end: int) -> int:
    """The version of a repair at this end offset: above every event below it, below every other one."""
    return pack(generation, end - 1, repair=True)


def judge(version: int | None, fence: Fence, *, same: bool) -> Verdict:
    """Decide about one key in one sink.

    Args:
        version: of the sink's newest row of the key, a tombstone too; None when it has none.
        fence: of the key's partition.
        same: the sink shows what the source shows.
    """
    if version is not None and version > fence.ceiling:
        return Verdict.FOREIGN
    if same:
        return Verdict.SAME
    if version is not None and version > fence.begin:
        return Verdict.CHANGED
    return Verdict.REAL
