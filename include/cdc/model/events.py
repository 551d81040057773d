"""What an event of Debezium's means for the rows of its table.

A changed primary key is two events, a delete of the old key and an insert of the new one, and needs no effect
of its own.
"""

from __future__ import annotations

from enum import Enum


class Effect(Enum):
    """What an event does."""

    ROW = "row"
    """The key has this row from now on."""
    TOMBSTONE = "tombstone"
    """The key has no row from now on; the tombstone is kept, so that an older event cannot bring it back."""
    FLOOR = "floor"
    """Every row of the table with a lower LSN is gone (`cdc.model.floors`)."""
    NOTHING = "nothing"
    """It changes no row: a logical message, or the record without value that follows a delete."""


EFFECTS: dict[str | None, Effect] = {
    "c": Effect.ROW,
    "r": Effect.ROW,
    "u": Effect.ROW,
    "d": Effect.TOMBSTONE,
    "t": Effect.FLOOR,
    "m": Effect.NOTHING,
    None: Effect.NOTHING,
}
"""By `op`; None stands for a record without value. An op that is missing here is an event that is wrong."""
