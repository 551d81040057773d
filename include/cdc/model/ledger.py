"""The warehouse's ledger: up to which offset each topic partition has been written by a query.

The upsert is guarded by `_version` whatever the ledger says; the ledger tells a replay from progress, and a
hole from both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Ledger = Mapping[tuple[str, int], int]


@dataclass(frozen=True)
class Range:
    """Offsets `from_offset` (inclusive) to `until_offset` (exclusive) of a partition."""

    topic: str
    partition: int
    from_offset: int
    until_offset: int


@dataclass(frozen=True)
class LedgerDecision:
    """What the ledger says about the ranges of a batch.

    Attributes:
        fresh: what no earlier transaction wrote.
        replayed: what an earlier transaction wrote: writing it again changes nothing unless the spec changed.
        gaps: what lies between the ledger and a range that begins above it; a new query has none.
    """

    fresh: tuple[Range, ...]
    replayed: tuple[Range, ...]
    gaps: tuple[Range, ...]


def rows_to_apply(ledger: Ledger, ranges: Iterable[Range]) -> LedgerDecision:
    """Split the ranges of a batch by what the ledger records; empty ranges vanish."""
    fresh, replayed, gaps = [], [], []
    for item in ranges:
        if item.until_offset <= item.from_offset:
            continue
        written = ledger.get((item.topic, item.partition))
        if written is None:
            fresh.append(item)
            continue
        cut = min(max(written, item.from_offset), item.until_offset)
        if item.from_offset > written:
            gaps.append(Range(item.topic, item.partition, written, item.from_offset))
        if item.from_offset < cut:
            replayed.append(Range(item.topic, item.partition, item.from_offset, cut))
        if cut < item.until_offset:
            fresh.append(Range(item.topic, item.partition, cut, item.until_offset))
    return LedgerDecision(tuple(fresh), tuple(replayed), tuple(gaps))


def advance(ledger: Ledger, ranges: Iterable[Range]) -> dict[tuple[str, int], int]:
    """The ledger after the ranges were written; it never goes back."""
    after = dict(ledger)
    for item in ranges:
        place = (item.topic, item.partition)
        after[place] = max(after.get(place, item.until_offset), item.until_offset)
    return after
