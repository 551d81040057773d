"""Where a partial event's missing values come from; every way in which a row could be the wrong one."""

from __future__ import annotations

import pytest

from cdc.model.floors import Floor
from cdc.model.toast import (
    Change,
    Choice,
    Origin,
    Partial,
    Question,
    State,
    Stored,
    from_records,
    from_sink,
    source_version,
)
from cdc.model.version import pack

EVENT = Partial(version=100, lsn=1000)
MOVED = Partial(version=100, lsn=1000, moved=True)
WHOLE, LOST, SETTLED, SKIPPED = State.WHOLE, State.LOST, State.SETTLED, State.SKIPPED
ASK_SINK = Question(Origin.SINK, 100)
ASK_OLD = Question(Origin.OLD_KEY_IN_SINK, 90)


def change(version, state=WHOLE, *, deleted=False, lsn=0):
    return Change(version, lsn, deleted, state)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ([], ASK_SINK),
        ([change(98)], Choice(Origin.RECORDS, change(98))),
        ([change(98), change(96)], Choice(Origin.RECORDS, change(98))),
        ([change(98, lsn=1000)], Choice(Origin.RECORDS, change(98, lsn=1000))),
        ([change(98, lsn=1001)], Question(Origin.SOURCE, 100)),  # before a suffix that came twice
        ([change(102)], ASK_SINK),
        ([change(96), change(98, LOST)], Question(Origin.SOURCE, 100)),
        ([change(96, LOST), change(98)], Choice(Origin.RECORDS, change(98))),
        ([change(98, deleted=True)], Question(Origin.SOURCE, 100)),
        ([change(98, SETTLED)], Choice(Origin.SUPERSEDED)),
        ([change(98, SKIPPED)], ASK_SINK),
        ([change(96), change(98, SKIPPED)], Choice(Origin.RECORDS, change(96))),
    ],
)
def test_the_records_decide_when_the_event_before_is_among_them(own, expected):
    assert from_records(EVENT, own) == expected


def test_forgotten_records_leave_only_the_source():
    assert from_records(EVENT, [], forgotten=True) == Question(Origin.SOURCE, 100)
    known = change(98)
    assert from_records(EVENT, [known], forgotten=True) == Choice(Origin.RECORDS, known)


def test_a_row_that_the_source_was_asked_for_settles_no_event_of_a_later_generation():
    settled = Change(pack(1, 5), 5, False, SETTLED)
    assert from_records(Partial(pack(1, 6), 1000), [settled]) == Choice(Origin.SUPERSEDED)
    later = Partial(pack(2, 6), 1000)
    assert from_records(later, [settled]) == Question(Origin.SOURCE, later.version)


def test_the_sources_row_lies_above_its_event_and_below_what_comes_later():
    assert pack(2, 49) < source_version(pack(2, 5), 2, 50) < pack(2, 50)


def test_the_sources_row_for_an_event_of_an_earlier_generation_hides_none_of_this_one():
    assert pack(1, 10**9) < source_version(pack(1, 5), 2, 50) < pack(2, 0)


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        ([], Question(Origin.SOURCE, 0)),
        ([change(88)], Question(Origin.SOURCE, 0)),  # the delete of the move was not read: more may come
        ([change(90, deleted=True, lsn=7)], Question(Origin.SOURCE, 0)),  # another delete
        ([change(90, deleted=True, lsn=1000)], ASK_OLD),
        ([change(88), change(90, deleted=True, lsn=1000)], Choice(Origin.RECORDS, change(88))),
        ([change(90, deleted=True, lsn=1000), change(92)], ASK_OLD),  # a later life of the old key
        ([change(88, LOST), change(90, deleted=True, lsn=1000)], Question(Origin.SOURCE, 90)),
    ],
)
def test_a_moved_row_is_that_of_the_old_key_just_before_the_move(old, expected):
    own = [change(60)]  # an earlier life of the new key says nothing
    assert from_records(MOVED, own, old) == expected


@pytest.mark.parametrize(
    ("own", "options", "expected"),
    [
        (Stored(98, 5, False), {}, Origin.SINK),
        (Stored(100, 5, False), {}, Origin.SINK),
        (Stored(102, 5, False), {}, Origin.SUPERSEDED),
        (Stored(102, 5, True), {}, Origin.SUPERSEDED),
        (None, {}, Origin.SOURCE),
        (Stored(98, 5, True), {}, Origin.SOURCE),
        (Stored(98, 1000, False), {}, Origin.SINK),
        (Stored(98, 1001, False), {}, Origin.SOURCE),  # a repair row of a later time
        (Stored(98, 5, False), {"floor": Floor(0, 6)}, Origin.SOURCE),
        (Stored(98, 5, False), {"floor": Floor(0, 5)}, Origin.SINK),
        (Stored(98, 5, False), {"trusted_from": 6}, Origin.SOURCE),  # what came after may be in no event
        (Stored(98, 5, False), {"trusted_from": 5}, Origin.SINK),
        (Stored(100, 5, False), {"trusted_from": 6}, Origin.SINK),
        (Stored(98, 5, False), {"only_source": True}, Origin.SOURCE),
        (Stored(100, 5, False), {"only_source": True}, Origin.SINK),  # the event itself: it was filled well
        (Stored(102, 5, False), {"only_source": True}, Origin.SUPERSEDED),
    ],
)
def test_the_sink_decides_with_its_newest_row(own, options, expected):
    assert from_sink(EVENT, ASK_SINK, own, **options).origin is expected


def test_an_event_behind_a_gap_of_the_capture_rests_on_none_before_it():
    earlier = Change(98, 900, False, WHOLE)
    for trusted_from, expected in (
        (900, Choice(Origin.RECORDS, earlier)),
        (901, Question(Origin.SOURCE, 100)),
        (1001, Question(Origin.SOURCE, 100)),  # where exactly the gap ends is not known
    ):
        assert from_records(EVENT, [earlier], trusted_from=trusted_from) == expected


def test_a_state_of_an_earlier_generation_is_not_the_one_before():
    """The key may have lived in another partition in between, or the other one be behind."""
    event, moved = Partial(pack(2, 6), 20_000), Partial(pack(2, 6), 20_000, moved=True)
    earlier, row = Change(pack(1, 5), 10_000, False, WHOLE), Stored(pack(1, 5), 10_000, False)
    removal = Change(pack(2, 4), 20_000, True, WHOLE)
    assert from_records(event, [earlier]) == Question(Origin.SOURCE, event.version)
    assert from_records(moved, [], [earlier, removal]) == Question(Origin.SOURCE, removal.version)
    assert from_sink(event, Question(Origin.SINK, event.version), row).origin is Origin.SOURCE
    question = Question(Origin.OLD_KEY_IN_SINK, removal.version)
    assert from_sink(moved, question, None, row).origin is Origin.SOURCE


def test_a_moved_row_comes_from_the_generation_of_its_delete():
    """The old key's partition still has events of the generation before, the new key's has none."""
    moved, removal = Partial(pack(2, 6), 20_000, moved=True), Change(pack(1, 7), 20_000, True, WHOLE)
    earlier, row = Change(pack(1, 5), 10_000, False, WHOLE), Stored(pack(1, 5), 10_000, False)
    assert from_records(moved, [], [earlier, removal]) == Choice(Origin.RECORDS, earlier)
    question = Question(Origin.OLD_KEY_IN_SINK, removal.version)
    assert from_sink(moved, question, None, row).origin is Origin.OLD_KEY_IN_SINK


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        (Stored(88, 5, False), Origin.OLD_KEY_IN_SINK),
        (Stored(90, 5, True), Origin.SOURCE),  # the move's own tombstone
        (Stored(88, 1001, False), Origin.SOURCE),  # a repair row of a later time
        (Stored(92, 5, False), Origin.SOURCE),  # a later life of the old key
        (None, Origin.SOURCE),
    ],
)
def test_the_old_keys_row_must_be_older_than_the_move(old, expected):
    assert from_sink(MOVED, ASK_OLD, None, old).origin is expected


def test_what_cannot_be_the_row_before_is_not_used():
    question = Question(Origin.SOURCE, 100)
    assert from_sink(EVENT, question, Stored(98, 5, False)).origin is Origin.SOURCE
