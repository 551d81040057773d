"""How many rows a generator has inserted, updated and deleted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Totals:
    """Row changes of committed transactions; rows that a cascade deletes count as deletes."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    transactions: int = 0

    @property
    def changes(self) -> int:
        """All row changes."""
        return self.inserted + self.updated + self.deleted

    def __add__(self, other: Totals) -> Totals:
        """Add two counts."""
        return Totals(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.deleted + other.deleted,
            self.transactions + other.transactions,
        )
