"""Walks the source and its copies together in the order of their keys; holds one row of each in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cdc.comparison.order import Rank
from cdc.comparison.report import Difference, Kind, TableReport
from cdc.errors import DataError

SOURCE = "source"
Row = tuple[Any, ...]


@dataclass(frozen=True)
class RowShape:
    """What a row's positions mean: the key, the source's other columns, then (in sinks) derived ones.

    Attributes:
        ranks: what the key's values are ordered by where it is not the values themselves.
    """

    key_width: int
    columns: tuple[str, ...]
    derived: tuple[str, ...] = ()
    ranks: tuple[Rank | None, ...] = ()

    def rank(self, key: Row) -> Row:
        """What a key is ordered by."""
        if not any(self.ranks):
            return key
        return tuple(r(value) if r else value for value, r in zip(key, self.ranks, strict=True))


@dataclass
class _Side:
    """One side's rows; knows its row at hand, counts, and sees a broken order."""

    name: str
    rows: Iterator[Row]
    shape: RowShape
    count: int = 0
    head: Row | None = None
    key: Row | None = None
    rank: Row = ()
    duplicates: list[Row] = field(default_factory=list)

    def advance(self) -> None:
        """Step to the next row with another key; rows with the same key are noted as duplicates."""
        before, rank_before = self.key, self.rank
        for row in self.rows:
            self.count += 1
            key = row[: self.shape.key_width]
            self.rank = self.shape.rank(key)
            if before is not None and _is_less(self.rank, rank_before):
                raise DataError(
                    f"{self.name} returned key {key} after {before}: its order is not that of the other "
                    "sides, so this table cannot be compared; a key of integers, text, uuid or times can"
                )
            if key != before:
                self.head, self.key = row, key
                return
            self.duplicates.append(key)
        self.head = self.key = None


class _Findings:
    """Counts every difference and keeps the first few."""

    def __init__(self, sinks: Iterable[str], limit: int) -> None:
        self.counts: dict[str, Counter[str]] = {sink: Counter() for sink in sinks}
        self.rows: Counter[str] = Counter()
        self.examples: list[Difference] = []
        self._limit = limit
        self._last: dict[str, Row] = {}

    def add(self, kind: Kind, sink: str, key: Row, *column: Any) -> None:
        self.counts[sink][kind] += 1
        if self._last.get(sink) != key:
            self._last[sink] = key
            self.rows[sink] += 1
        if len(self.examples) < self._limit:
            self.examples.append(Difference(kind, sink, key, *column))


def compare_rows(
    source: Iterable[Row],
    sinks: Mapping[str, Iterable[Row]],
    shape: RowShape,
    *,
    table: str = "",
    name: str = "",
    limit: int = 20,
) -> TableReport:
    """Compare canonical rows that are sorted by key on every side.

    Args:
        source: rows of key and source columns.
        sinks: by sink, rows of key, source columns and derived ones.
        shape: what the positions mean.
        table: the table's name at the source, for the report.
        name: its name in the sinks.
        limit: differences that are kept as examples.

    Raises:
        DataError: a side is not in key order.
    """
    origin = _Side(SOURCE, iter(source), shape)
    copies = [_Side(sink, iter(rows), shape) for sink, rows in sinks.items()]
    sides = [origin, *copies]
    found = _Findings(sinks, limit)
    for side in sides:
        side.advance()
    while left := [side for side in sides if side.key is not None]:
        first = left[0]
        for side in left[1:]:
            first = side if _is_less(side.rank, first.rank) else first
        smallest = first.key or ()
        _compare_key(smallest, origin, copies, shape, found)
        for side in sides:
            if side.key == smallest:
                side.advance()
                _note_duplicates(side, found)
    rows = {side.name: side.count for side in sides}
    counts = {sink: dict(kinds) for sink, kinds in found.counts.items()}
    return TableReport(table, name, rows, counts, tuple(found.examples), dict(found.rows))


def _is_less(one: Row, other: Row) -> bool:
    try:
        return one < other
    except TypeError:
        raise DataError(
            f"keys {one} and {other} have no order that all sides share (NaN?), so this table cannot be "
            "compared row by row"
        ) from None


def _compare_key(key: Row, origin: _Side, copies: Sequence[_Side], shape: RowShape, found: _Findings) -> None:
    expected = origin.head if origin.key == key else None
    first: Row | None = None
    for copy in copies:
        row = copy.head if copy.key == key else None
        if row is None:
            if expected is not None:
                found.add("missing", copy.name, key)
            continue
        if expected is None:
            found.add("extra", copy.name, key)
        else:
            _compare_columns(key, expected, row, copy.name, shape, found)
        if first is not None:
            _compare_derived(key, first, row, copy.name, shape, found)
        first = first or row


def columns_that_differ(names: Sequence[str], expected: Row, row: Row) -> list[tuple[str, Any, Any]]:
    """Name, expected and found value of the first columns of two rows, where they differ."""
    width = len(names)
    if expected[:width] == row[:width]:
        return []
    return [(n, e, f) for n, e, f in zip(names, expected, row, strict=False) if e != f]


def _compare_columns(key: Row, expected: Row, row: Row, sink: str, shape: RowShape, found: _Findings) -> None:
    for column in columns_that_differ(shape.columns, expected, row):
        found.add("differing", sink, key, *column)


def _compare_derived(key: Row, first: Row, row: Row, sink: str, shape: RowShape, found: _Findings) -> None:
    width = len(shape.columns)
    for column, wanted, value in zip(shape.derived, first[width:], row[width:], strict=True):
        if wanted != value:
            found.add("disagreeing", sink, key, column, wanted, value)


def _note_duplicates(side: _Side, found: _Findings) -> None:
    for key in side.duplicates:
        if side.name != SOURCE:
            found.add("duplicate", side.name, key)
    side.duplicates.clear()
