"""Medians, ranges, percentiles, and fingerprints of tables. Pure."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MODULUS = 1 << 64


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Median and range of at least one value."""
        return cls(statistics.median(values), min(values), max(values), len(values))

    def text(self, digits: int = 0) -> str:
        """`12,345 (12,000 to 13,000)`."""
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True)
class Fingerprint:
    """What a table holds, whatever the order of its rows: their number, and the sum of their hashes."""

    rows: int
    digest: int


def fingerprint(lines: Iterable[str]) -> Fingerprint:
    """The fingerprint of rows that are texts; one that is there twice counts twice."""
    rows = total = 0
    md5 = hashlib.md5
    for line in lines:
        rows += 1
        total += int.from_bytes(md5(line.encode(), usedforsecurity=False).digest()[:8], "big")
    return Fingerprint(rows, total % _MODULUS)


def is_flat(lags: Sequence[tuple[float, float]], rate: float, tolerance_s: float = 1.0) -> bool:
    """Whether a lag does not grow: its line rises by less than `tolerance_s` seconds' worth of changes.

    Args:
        lags: (seconds, changes that are not visible yet), in the order of time.
        rate: changes a second.
        tolerance_s: how much the line may rise from the first to the last measurement.
    """
    if len(lags) < 3:
        return False
    seconds, behind = zip(*lags, strict=True)
    slope: float = statistics.linear_regression(seconds, behind).slope
    return bool(slope * (seconds[-1] - seconds[0]) <= rate * tolerance_s)
