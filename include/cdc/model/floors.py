"""Truncate floors: the one case that LSNs order.

TRUNCATE holds the table's exclusive lock, so every change before it has a lower LSN and every one after it a
higher. Its event has no key and may lie in any partition, so versions cannot order it. LSNs go back on a new
cluster, so a floor has a generation too.
"""

from __future__ import annotations

from typing import NamedTuple

from cdc.model.version import generation_of


class Floor(NamedTuple):
    """Rows below it are not current; floors compare as pairs, and the highest one counts."""

    generation: int
    lsn: int


NO_FLOOR = Floor(0, 0)


def floor_of(version: int, lsn: int) -> Floor:
    """The floor that a truncate sets."""
    return Floor(generation_of(version), lsn)


def is_current(version: int, lsn: int, deleted: bool, floor: Floor) -> bool:
    """True when a key's newest row is one that readers see; both sinks' views say the same in SQL."""
    return not deleted and (generation_of(version), lsn) >= floor
