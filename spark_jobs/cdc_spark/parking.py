"""When bad events are a schema change, so that the table steps aside. Pure."""

from __future__ import annotations

from cdc.model.parking import should_park

MANY_UNREADABLE = 1_000


def schema_changed(bad: int, unlike: int, total: int) -> bool:
    """Judge a table's events in one batch.

    Args:
        bad: events that could not be written.
        unlike: of these, the ones that do not have the declared columns and types, or that the sink refused.
        total: events, bad ones included.

    Events that cannot be read at all are dead letters, not a schema change, until there are so many and
    nothing else that only another converter explains them.
    """
    return should_park(unlike, total) or (bad >= MANY_UNREADABLE and bad == total)
