"""What a reconciliation says of one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cdc.comparison.report import Difference
from cdc.model.window import Window


@dataclass(frozen=True)
class TableReconciliation:
    """What was compared, what differed, what was done.

    Attributes:
        method: `checksums`, or `rows` with the reason.
        rows: rows by side, as the first look saw them.
        buckets, opened: of checksums, and how many of them were opened.
        moved: rows and checksums that left the databases.
        looked_at: keys that were looked at one by one.
        lsn, ends: the source's log position and the topic's ends at the last look.
        differences: by sink and kind, what is proven.
        examples: the first of them.
        unsettled: by sink, keys that changed every time.
        repaired, left: by sink, keys; without a repair all are left.
        skipped: sinks that were not compared, and why.
        refused: why nothing was repaired although that was asked for, and what to do instead.
        cut: more keys may differ than were looked at.
        parts_changed: the table's partitions are others than at its last comparison.
        window: the stretch of event time whose rows were compared; None when all were.
    """

    table: str
    name: str
    method: str
    rows: Mapping[str, int]
    buckets: int
    opened: int
    moved: int
    looked_at: int
    lsn: int
    ends: Mapping[int, int]
    differences: Mapping[str, Mapping[str, int]]
    examples: tuple[Difference, ...]
    unsettled: Mapping[str, int]
    repaired: Mapping[str, int]
    left: Mapping[str, int]
    skipped: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    cut: bool = False
    parts_changed: bool = False
    window: Window | None = None

    @property
    def equal(self) -> bool:
        """Nothing differed."""
        return not self.differences

    @property
    def settled(self) -> bool:
        """Nothing differs any more, as far as was looked."""
        return not any(self.left.values()) and not self.cut

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "table": self.table,
            "name": self.name,
            "equal": self.equal,
            "settled": self.settled,
            "method": self.method,
            "rows": dict(self.rows),
            "buckets": self.buckets,
            "opened": self.opened,
            "moved": self.moved,
            "looked_at": self.looked_at,
            "lsn": self.lsn,
            "ends": {str(p): end for p, end in self.ends.items()},
            "differences": {sink: dict(kinds) for sink, kinds in self.differences.items()},
            "examples": [difference.as_dict() for difference in self.examples],
            "unsettled": dict(self.unsettled),
            "repaired": dict(self.repaired),
            "left": dict(self.left),
            "skipped": dict(self.skipped),
            "refused": self.refused,
            "cut": self.cut,
            "parts_changed": self.parts_changed,
            "window": [self.window.begin.isoformat(), self.window.end.isoformat()] if self.window else None,
        }
