"""Which changes are made: inserts, updates and deletes with hot keys, the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from local_stack.bench.shapes import Shape, makers, plain

INSERTS, UPDATES = 0.60, 0.32
"""Shares of all changes; the rest are deletes."""
HOT_SHARE, HOT_KEYS = 0.5, 200
"""Half of the updates meet the same few rows."""
MAX_ROWS = 600_000
"""So many rows a table has at most; then rows are updated instead of inserted."""
SENTINELS = 1 << 40
"""Keys from here on mark the end of a stretch of changes in each partition."""

Row = tuple[str, ...]
"""Values as JSON text, in the order of the columns."""


@dataclass(frozen=True)
class Change:
    """One change of one row; of a delete only the key counts."""

    op: str
    key: int
    row: Row


@dataclass
class Workload:
    """Makes changes and knows what a table holds after them.

    Attributes:
        rows: the current rows by key.
    """

    shape: Shape
    seed: int = 1
    rows: dict[int, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The same seed makes the same changes."""
        self._rng = random.Random(self.seed)  # noqa: S311 - no secret is made of it
        self._makers = makers(self.shape, self._rng)
        self._keys: list[int] = []
        self._hot: list[int] = []
        self._next = 1
        self._stretches = 0

    def take(self, count: int) -> Iterator[Change]:
        """The next changes."""
        rng = self._rng
        for _ in range(count):
            chance = rng.random()
            if not self._keys or (chance < INSERTS and len(self._keys) < MAX_ROWS):
                yield self._insert()
            elif chance < INSERTS + UPDATES:
                hot = rng.random() < HOT_SHARE
                keys = self._hot if hot else self._keys
                yield self._set("u", keys[int(rng.random() * len(keys))])
            else:
                yield self._delete()

    def sentinels(self, partitions: int) -> tuple[Change, ...]:
        """One new row for each partition, to be the last one there."""
        self._stretches += 1
        first = SENTINELS + self._stretches * partitions
        keys = [first + number for number in range(partitions)]
        return tuple(self._set("c", key) for key in keys)

    def lines(self) -> Iterator[str]:
        """The current rows, each in the text form in which sinks are read."""
        for key, row in self.rows.items():
            yield "\t".join((str(key), *map(plain, row[1:])))

    def _insert(self) -> Change:
        key, self._next = self._next, self._next + 1
        # The hot rows are the first ones, and are never deleted.
        (self._hot if len(self._hot) < HOT_KEYS else self._keys).append(key)
        return self._set("c", key)

    def _set(self, op: str, key: int) -> Change:
        row = (str(key), *(make() for make in self._makers))
        self.rows[key] = row
        return Change(op, key, row)

    def _delete(self) -> Change:
        position = int(self._rng.random() * len(self._keys))
        self._keys[position], self._keys[-1] = self._keys[-1], self._keys[position]
        key = self._keys.pop()
        return Change("d", key, self.rows.pop(key))
