"""Unchanged TOAST values: from where an event takes the values that the source did not send again.

With the default replica identity PostgreSQL leaves a long value that an update did not touch out of its log,
and Debezium sends a placeholder for it. Such an event is *partial*. Its missing values are those of the event
directly before it of the same row, so the rule looks, in this order, at

1. the records that the same task has read (after a key change: those of the old key),
2. the sink's newest row of the key, whose version also tells that the event is superseded,
3. the source, as a repair row: its present values with a version above everything in the topic
   (`source_version`).

A step is skipped as soon as it cannot be proven that what it offers is the state directly before the event. A
row with an LSN above the event's is of a later time: a repair row that was read after the change, or the row
before a suffix that was delivered twice. One with an LSN below the end of a gap of the capture may lack a
change that no event tells. A changed key would carry its value to a row that no later event corrects. A row
of an earlier generation may not be the last one before the event: the key may have lived in another partition
meanwhile, which is read independently.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from cdc.model.floors import NO_FLOOR, Floor, is_current
from cdc.model.reconcile import fence_version
from cdc.model.version import generation_of

PLACEHOLDER = "__cdc_unchanged_2f6b1c9e4d7a4085b3e0"
"""What the connectors send for such a value (`unavailable.value.placeholder`). Debezium's own default is a
text that a user could write, and then no event would tell which of the two is meant."""


class State(Enum):
    """What the task knows after an event that it has read."""

    WHOLE = "whole"
    """Every value of the row."""
    LOST = "lost"
    """Not the row: the event is a dead letter, or is not remembered any more."""
    SETTLED = "settled"
    """The source was asked for this row, so everything of it that is in the topic by now is superseded, as
    far as it is of the event's generation."""
    SKIPPED = "skipped"
    """The sink has a newer row; the event says nothing."""


@dataclass(frozen=True)
class Change:
    """An event of a key that the task has read.

    Attributes:
        place: where the task keeps its row.
    """

    version: int
    lsn: int
    deleted: bool
    state: State
    place: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Partial:
    """An event with missing values.

    Attributes:
        moved: it gave its row a new key, so what came before it has the old key.
        unsent: no event says one of the values, so nobody but the source knows it.
    """

    version: int
    lsn: int
    moved: bool = False
    unsent: bool = False


@dataclass(frozen=True)
class Stored:
    """A sink's newest row of a key."""

    version: int
    lsn: int
    deleted: bool


class Origin(Enum):
    """Where the missing values come from."""

    RECORDS = "records"
    SINK = "sink"
    OLD_KEY_IN_SINK = "old key in sink"
    SOURCE = "source"
    SUPERSEDED = "superseded"
    """From nowhere: a newer row is in the sink or on its way, and the event is not written."""


@dataclass(frozen=True)
class Choice:
    """A decision; `change` is the event to take the values from when the origin is the records."""

    origin: Origin
    change: Change | None = None


@dataclass(frozen=True)
class Question:
    """The records did not decide; the sink is asked.

    Attributes:
        usable: which row of the sink would be the state before the event; `SOURCE` when none can be.
        before: the row must be older than this version.
    """

    usable: Origin
    before: int


def from_records(
    event: Partial,
    own: Iterable[Change],
    old: Iterable[Change] = (),
    *,
    trusted_from: int = 0,
    forgotten: bool = False,
) -> Choice | Question:
    """Decide from what the task has read.

    Args:
        event: the partial event.
        own: events of its key that the task has read.
        old: those of the old key when the event moved its row.
        trusted_from: the LSN at which a gap of the capture ends, below which a change may lack others.
        forgotten: the task has read earlier events that are not in `own` and `old`.
    """
    earlier = [change for change in own if change.version < event.version]
    generation = generation_of(event.version)
    if any(c.state is State.SETTLED and generation_of(c.version) == generation for c in earlier):
        return Choice(Origin.SUPERSEDED)
    if event.unsent:
        return Choice(Origin.SOURCE)
    begin, usable = event.version, Origin.SINK
    if event.moved:
        earlier, begin = _before_move(event, list(old))
        usable = Origin.OLD_KEY_IN_SINK if begin else Origin.SOURCE
    known = [change for change in earlier if change.state is not State.SKIPPED]
    if not known:
        return Question(Origin.SOURCE if forgotten else usable, begin)
    last = max(known, key=lambda change: change.version)
    together = generation_of(last.version) == generation_of(begin)
    before = trusted_from <= last.lsn <= event.lsn
    if together and before and last.state is State.WHOLE and not last.deleted:
        return Choice(Origin.RECORDS, last)
    return Question(Origin.SOURCE, begin)


def _before_move(event: Partial, old: list[Change]) -> tuple[list[Change], int]:
    """The old key's events before the delete that belongs to the move, and that delete's version.

    Partitions are read independently, so only that delete proves that the old key was read so far; both
    events come from one record of PostgreSQL's log and have its LSN.
    """
    removal = max((c.version for c in old if c.deleted and c.lsn == event.lsn), default=0)
    return [change for change in old if change.version < removal], removal


def from_sink(
    event: Partial,
    question: Question,
    own: Stored | None,
    old: Stored | None = None,
    *,
    floor: Floor = NO_FLOOR,
    trusted_from: int = 0,
    only_source: bool = False,
) -> Choice:
    """Decide with the sink's newest rows.

    Args:
        event: the partial event.
        question: what `from_records` asked.
        own: the newest row of the event's key, None when there is none.
        old: that of the old key.
        floor: the table's truncate floor in the sink.
        trusted_from: the LSN below which a row may lack changes that were never captured.
        only_source: an event of the key may be missing in the sink: a dead letter, a table being resumed.
    """
    if own is not None and own.version > event.version:
        return Choice(Origin.SUPERSEDED)
    if own is not None and own.version == event.version and not own.deleted:
        return Choice(Origin.SINK)
    row = {Origin.SINK: own, Origin.OLD_KEY_IN_SINK: old}.get(question.usable)
    if only_source or row is None or row.version >= question.before or row.lsn > event.lsn:
        return Choice(Origin.SOURCE)
    if row.lsn < trusted_from:
        return Choice(Origin.SOURCE)
    if generation_of(row.version) != generation_of(question.before):
        return Choice(Origin.SOURCE)
    if not is_current(row.version, row.lsn, row.deleted, floor):
        return Choice(Origin.SOURCE)
    return Choice(question.usable)


def source_version(event: int, newest: int, end: int) -> int:
    """The version of the source's row that was read for a partial event.

    It lies above every event of the key that the row makes obsolete, and below every later one. In the
    topic's present generation the key lives where its event lay, so that partition's end tells them apart.
    Since a generation was raised the key may live elsewhere, where an end of the event's partition would hide
    later changes. The row then has the lowest version of the present generation: above all before it, and
    below this generation's own events, each of which counts for itself.

    Args:
        event: the event's version.
        newest: the topic's newest generation, read before the row: with a later one the row would hide what
            changed between its reading and the generation's beginning.
        end: the end offset of the event's partition, read before the row.
    """
    return fence_version(newest, end if generation_of(event) == newest else 0)
