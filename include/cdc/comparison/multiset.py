"""Compares a table without a key with what its changelogs add up to: each row, as often as it is there.

Rows are counted by a digest, so memory grows with the number of different rows and not with their width.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from cdc.comparison.merge import SOURCE, Row, RowShape
from cdc.comparison.report import Difference, Kind, TableReport

Counted = Iterable[tuple[Row, int]]
"""Rows, and how often each came (1) or went (-1)."""


def compare_multisets(
    source: Callable[[], Iterable[Row]],
    sinks: Mapping[str, Callable[[], Counted]],
    shape: RowShape,
    *,
    table: str = "",
    name: str = "",
    limit: int = 20,
) -> TableReport:
    """Compare the rows that the source has with those that each changelog adds up to.

    Args:
        source: reads the source's rows; again for examples when there are differences.
        sinks: by sink, reads the changelog: source columns and derived ones, and how each row counts.
        shape: what the positions mean.
        table: the table's name at the source, for the report.
        name: its name in the sinks.
        limit: differences that are kept as examples.
    """
    width = len(shape.columns)
    wanted = _counted((row, 1) for row in source())
    rows = {SOURCE: sum(wanted.values())}
    counts: dict[str, dict[str, int]] = {}
    examples: list[Difference] = []
    first: dict[bytes, int] | None = None
    for sink, read in sinks.items():
        found, wide = _read(read(), width)
        rows[sink] = sum(found.values())
        off = _off(wanted, found)
        kinds: dict[Kind, dict[bytes, int]] = {
            "missing": {digest: count for digest, count in off.items() if count > 0},
            "extra": {digest: -count for digest, count in off.items() if count < 0},
            # Only what is right in the source's columns can disagree in the derived ones.
            "disagreeing": _off(first or wide, wide) if shape.derived and not off else {},
        }
        first = first or wide
        counts[sink] = {kind: sum(map(abs, those.values())) for kind, those in kinds.items() if those}
        examples += _examples(
            sink, kinds, lambda: ((row, 1) for row in source()), read, width, limit - len(examples)
        )
    return TableReport(table, name, rows, counts, tuple(examples))


def _counted(rows: Counted) -> dict[bytes, int]:
    return _read(rows, None)[0]


def _read(rows: Counted, width: int | None) -> tuple[dict[bytes, int], dict[bytes, int]]:
    """Counts by the source's columns, and by all columns."""
    narrow: dict[bytes, int] = defaultdict(int)
    wide: dict[bytes, int] = defaultdict(int)
    for row, count in rows:
        narrow[_digest(row[:width])] += count
        if width is not None and len(row) > width:
            wide[_digest(row)] += count
    return narrow, wide


def _off(wanted: Mapping[bytes, int], found: Mapping[bytes, int]) -> dict[bytes, int]:
    off = {digest: wanted.get(digest, 0) - found.get(digest, 0) for digest in {*wanted, *found}}
    return {digest: count for digest, count in off.items() if count}


def _examples(
    sink: str,
    kinds: Mapping[Kind, Mapping[bytes, int]],
    source: Callable[[], Counted],
    read: Callable[[], Counted],
    width: int,
    limit: int,
) -> list[Difference]:
    found: list[Difference] = []
    for kind, digests in kinds.items():
        left = dict(digests)
        for row, _ in (source if kind == "missing" else read)() if left else ():
            if not left or len(found) >= limit:
                break
            shown = row if kind == "disagreeing" else row[:width]
            if left.pop(_digest(shown), None) is not None:
                found.append(Difference(kind, sink, shown))
    return found


def _digest(row: Row) -> bytes:
    return blake2b(repr(_plain(row)).encode(), digest_size=16).digest()


def _plain(value: Any) -> Any:
    """What is equal has one form; a number's digits are all kept."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, Decimal):
        return _digits(format(value, "f"))
    return value


def _digits(text: str) -> str:
    short = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if short == "-0" else short
