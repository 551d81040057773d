"""What one Spark partition remembers of the records that it has read, for the sake of partial events.

Nothing is looked up and nothing is indexed until such an event comes; until then a stretch of records costs
one entry here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from cdc.model.toast import Change, State
from cdc_spark.schemas.rows import Operation

VALUE_BYTES = 32_000_000
"""Rows that are remembered with their values."""
MAX_KEYS = 200_000
"""Events that are remembered at all: about as many as one micro-batch has."""

MARKS = ["_version", "_lsn", "_op"]
Place = tuple[int, int]
"""A row: the number of its block, its position there."""


@dataclass
class Block:
    """The events of one stretch of records.

    Attributes:
        keys: Kafka's key of each row.
        marks: version, LSN and op of each event.
        rows: their rows, filled; None when they are not remembered any more.
        states: of rows whose values cannot be used.
        bad: key and version of events that have no row.
    """

    keys: Sequence[bytes | None]
    marks: pa.RecordBatch
    rows: pa.RecordBatch | None
    states: dict[int, State] = field(default_factory=dict)
    bad: Sequence[tuple[bytes | None, int]] = ()

    def changes(self, number: int, wanted: frozenset[bytes]) -> Iterable[tuple[bytes, Change]]:
        """The events of these keys."""
        hits = [(i, key) for i, key in enumerate(self.keys) if key in wanted and key is not None]
        marks = self.marks.take(pa.array([i for i, _ in hits], pa.int64())).to_pydict()
        for (i, key), version, lsn, op in zip(hits, *(marks[name] for name in MARKS), strict=True):
            state = self.states.get(i, State.WHOLE)
            if state is State.WHOLE and self.rows is None:
                state = State.LOST
            yield key, Change(version, lsn, op == Operation.DELETE, state, (number, i))
        for key, version in self.bad:
            if key is not None and key in wanted:
                yield key, Change(version, 0, False, State.LOST)


class TaskMemory:
    """The blocks of one Spark partition, the oldest forgotten first: their values, then that they were."""

    def __init__(self) -> None:
        self.blocks: deque[Block] = deque()
        self.forgotten = False

    def add(self, block: Block) -> None:
        """Remember a block, and forget what becomes too much."""
        self.blocks.append(block)
        room = VALUE_BYTES
        for known in reversed(self.blocks):
            if known.rows is None:
                break
            room -= known.rows.nbytes
            if room < 0:
                known.rows = None
        while sum(len(known.keys) for known in self.blocks) > MAX_KEYS and len(self.blocks) > 1:
            self.blocks.popleft()
            self.forgotten = True

    def changes(self, block: Block, wanted: frozenset[bytes]) -> dict[bytes, list[Change]]:
        """What is remembered of these keys, with a block that is not remembered yet as the last."""
        found: dict[bytes, list[Change]] = {key: [] for key in wanted}
        for number, known in enumerate([*self.blocks, block]):
            for key, change in known.changes(number, wanted):
                found[key].append(change)
        return found


class Timeline:
    """The events of one key in the order of their versions, which is asked at rising versions."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self.changes = sorted(changes, key=lambda change: change.version)
        self._versions = [change.version for change in self.changes]
        self._restart()

    def _restart(self) -> None:
        self._next = 0
        self._last: Change | None = None
        self._settled: Change | None = None

    def before(self, version: int) -> list[Change]:
        """What decides about an event of this version: the last one that says something, one that settles.

        A key can have thousands of partial events in a block, so each event is looked at once.
        """
        if self._next and self._versions[self._next - 1] >= version:
            self._restart()
        while self._next < len(self.changes) and self._versions[self._next] < version:
            change = self.changes[self._next]
            if change.state is State.SETTLED:
                self._settled = change
            elif change.state is not State.SKIPPED:
                self._last = change
            self._next += 1
        return [change for change in (self._settled, self._last) if change is not None]

    def decide(self, version: int, state: State) -> None:
        """Say what is known after an event."""
        at = bisect_left(self._versions, version)
        self.changes[at] = replace(self.changes[at], state=state)
