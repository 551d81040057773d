"""What each sink keeps of what is written to it: the two engines' rules, without the engines.

ClickHouse appends every version and lets the newest win when parts are merged or read. The warehouse keeps
one row for each key and lets only a version as new or newer in.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple

from cdc.errors import FencedError
from cdc.model import ledger
from cdc.model.floors import NO_FLOOR, Floor, is_current
from cdc.model.horizon import is_behind
from cdc.model.lease import is_fenced
from cdc.model.version import generation_of

Key = Hashable
Entry = tuple[Key, "Kept"]


class Kept(NamedTuple):
    """A row of a physical table."""

    version: int
    deleted: bool
    lsn: int
    partition: int
    values: Any


def accepts(stored: int, offered: int) -> bool:
    """The warehouse's guard. Equal versions get in: the same event, written again after a fix."""
    return offered >= stored


def newest(rows: Iterable[Kept]) -> Kept:
    """ReplacingMergeTree's choice: the highest version, of equal ones the last that was inserted."""
    best: Kept | None = None
    for row in rows:
        if best is None or row.version >= best.version:
            best = row
    if best is None:
        raise ValueError("received no rows, expected those of a key")
    return best


class ClickHouseTable:
    """`ReplacingMergeTree(_version, _is_deleted)` ordered by the key, its truncate floors and its view."""

    def __init__(self) -> None:
        self.rows: dict[Key, list[Kept]] = {}
        self.floor = NO_FLOOR

    def insert(self, rows: Iterable[Entry], floors: Iterable[Floor] = ()) -> None:
        """Append rows; nothing is refused."""
        self.floor = max([self.floor, *floors])
        for key, row in rows:
            self.rows.setdefault(key, []).append(row)

    def newest(self, key: Key) -> Kept | None:
        """The row that counts, tombstones included."""
        rows = self.rows.get(key)
        return newest(rows) if rows else None

    def view(self) -> dict[Key, Any]:
        """What readers see."""
        counted = ((key, newest(rows)) for key, rows in self.rows.items())
        return {
            key: row.values
            for key, row in counted
            if is_current(row.version, row.lsn, row.deleted, self.floor)
        }

    def optimize(self) -> None:
        """`OPTIMIZE … FINAL`: one row for each key; tombstones stay."""
        self.rows = {key: [newest(rows)] for key, rows in self.rows.items()}

    def delete_tombstones(self, horizon: Mapping[int, int]) -> None:
        """`DELETE WHERE _is_deleted AND _version < horizon`; only after `optimize`."""
        self._keep(lambda row: not (row.deleted and is_behind(row.partition, row.version, horizon)))

    def delete_truncated(self) -> None:
        """Delete what lies below the truncate floor."""
        self._keep(lambda row: (generation_of(row.version), row.lsn) >= self.floor)

    def cleanup(self) -> None:
        """`OPTIMIZE … FINAL CLEANUP`: tombstones go, the newest ones too."""
        self.optimize()
        self._keep(lambda row: not row.deleted)

    def tombstones(self) -> list[tuple[int, int]]:
        """(partition, version) of every tombstone."""
        return [(row.partition, row.version) for rows in self.rows.values() for row in rows if row.deleted]

    def _keep(self, wanted: Any) -> None:
        kept = {key: [row for row in rows if wanted(row)] for key, rows in self.rows.items()}
        self.rows = {key: rows for key, rows in kept.items() if rows}


class WarehouseTable:
    """A table with a primary key, its truncate floors, the ledger and the fence."""

    def __init__(self) -> None:
        self.rows: dict[Key, Kept] = {}
        self.floor = NO_FLOOR
        self.ledger: dict[tuple[str, int], int] = {}
        self.fence: int | None = None

    def write(
        self,
        rows: Iterable[Entry],
        floors: Iterable[Floor] = (),
        until: Iterable[ledger.Range] = (),
        epoch: int | None = None,
    ) -> None:
        """One transaction: fence, guarded upsert, floors, ledger.

        Args:
            rows: the rows with their keys.
            floors: of the truncates among the events.
            until: what the ledger gets.
            epoch: the writer's; None for a bounded run, which neither asks the fence nor moves the ledger.

        Raises:
            FencedError: a newer epoch writes now.
        """
        if epoch is not None and self.refuses(epoch):
            raise FencedError(f"the fence is at {self.fence}; this writer has {epoch}")
        for key, row in rows:
            stored = self.rows.get(key)
            if stored is None or self.accepts(stored.version, row.version):
                self.rows[key] = row
        self.floor = max([self.floor, *floors])
        if epoch is not None:
            self.ledger = ledger.advance(self.ledger, until)

    def raise_fence(self, epoch: int) -> None:
        """Announce the epoch that writes from now on."""
        self.fence = max(epoch, self.fence or 0)

    def newest(self, key: Key) -> Kept | None:
        """The row that is stored, tombstones included."""
        return self.rows.get(key)

    def view(self) -> dict[Key, Any]:
        """What readers see."""
        return {
            key: row.values
            for key, row in self.rows.items()
            if is_current(row.version, row.lsn, row.deleted, self.floor)
        }

    def refuses(self, epoch: int) -> bool:
        """Whether the fence is above a writer's epoch."""
        return is_fenced(self.fence, epoch)

    def accepts(self, stored: int, offered: int) -> bool:
        """Whether the guard lets a version in."""
        return accepts(stored, offered)
