"""Where the value comes from that an update did not send."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from cdc.model.floors import Floor, is_current
from cdc.model.kept import Kept


class Origin(Enum):
    """What to do with an event that lacks the large value."""

    SUPERSEDED = "superseded"
    """A newer row of the key is stored: the event is not written."""
    SOURCE = "source"
    """Nothing here is known to be right: repair the row from the source."""


class Question(NamedTuple):
    """What is known about an event without its large value.

    Attributes:
        version: the event's.
        stored: the sink's newest row of the event's key.
        remembered: the value after the key's event before this one in the task's records (of a changed key:
            the old key's), None when that is not known.
        before: the sink's row that this event changes: `stored`, or of a changed key the old key's row; None
            when no order between it and the event is known.
        doubtful: an event of the key may be missing in the sink: an open dead letter, a table being resumed.
    """

    version: int
    stored: Kept | None
    remembered: int | None
    before: Kept | None
    doubtful: bool


def fill(question: Question, floor: Floor) -> int | Origin:
    """The value, or what to do instead."""
    stored = question.stored
    if stored is not None and stored.version > question.version:
        return Origin.SUPERSEDED
    if stored is not None and stored.version == question.version:
        return int(stored.values[1])
    if question.remembered is not None:
        return question.remembered
    before = question.before
    if (
        question.doubtful
        or before is None
        or not is_current(before.version, before.lsn, before.deleted, floor)
    ):
        return Origin.SOURCE
    return int(before.values[1])
