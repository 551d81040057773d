"""Where the value comes from that an update did not send."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from cdc.model.floors import Floor, is_current
from cdc.model.kept import Kept
from cdc.model.version import generation_of


class Origin(Enum):
    """What to do with an event that lacks the large value."""

    SUPERSEDED = "superseded"
    """A newer row of the key is stored: the event is not written."""
    SOURCE = "source"
    """Nothing here is known to be right: repair the row from the source."""


class Value(NamedTuple):
    """What a task remembers of a key: the large value, and LSN and version of the event that left it so."""

    big: int
    lsn: int
    version: int


class Question(NamedTuple):
    """What is known about an event without its large value.

    Attributes:
        version: the event's.
        since: the version of what changed the row before: the event's, or of a changed key its delete's.
        stored: the sink's newest row of the event's key.
        lsn: the event's.
        remembered: the key's event before this one in the task's records (of a changed key: the old key's),
            None when that is not known.
        before: the sink's row that this event changes: `stored`, or of a changed key the old key's row; None
            when no order between it and the event is known.
        doubtful: an event of the key may be missing in the sink: an open dead letter, a table being resumed.
    """

    version: int
    since: int
    lsn: int
    stored: Kept | None
    remembered: Value | None
    before: Kept | None
    doubtful: bool


def fill(question: Question, floor: Floor) -> int | Origin:
    """The value, or what to do instead.

    A row with an LSN above the event's is of a later time: a repair that was read after the event's change,
    or the row before a suffix that was delivered twice. Its value would be right for this key in the end,
    but a changed key would carry it over to a row that no later event corrects. A row of an earlier
    generation may not be the last one before: the key may have lived in another partition meanwhile.
    """
    stored = question.stored
    if stored is not None and stored.version > question.version:
        return Origin.SUPERSEDED
    if stored is not None and stored.version == question.version:
        return int(stored.values[1])
    remembered, before = question.remembered, question.before
    generation = generation_of(question.since)
    if remembered is not None and remembered.lsn <= question.lsn:
        return remembered.big if generation_of(remembered.version) == generation else Origin.SOURCE
    if (
        question.doubtful
        or remembered is not None
        or before is None
        or before.lsn > question.lsn
        or generation_of(before.version) != generation
        or not is_current(before.version, before.lsn, before.deleted, floor)
    ):
        return Origin.SOURCE
    return int(before.values[1])
