"""Parking: when a table steps aside, and that resuming leaves nothing out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.model.parking import ParkedTable, merged, resume_from, should_park, skip

offsets = st.dictionaries(st.integers(0, 2), st.integers(0, 50))


@pytest.mark.parametrize(
    ("bad", "total", "park"), [(0, 0, False), (2, 2, False), (3, 3, True), (99, 100, False)]
)
def test_a_table_is_parked_when_all_of_enough_events_are_bad(bad: int, total: int, park: bool) -> None:
    assert should_park(bad, total) is park


def test_a_partition_without_an_offset_is_skipped_whole() -> None:
    parked = ParkedTable("t", "s", "why", {0: 10})
    assert [skip(9, 0, parked), skip(10, 0, parked), skip(0, 1, parked)] == [False, True, True]


@given(offsets, st.integers(0, 2), st.integers(0, 60))
def test_what_was_skipped_is_read_again(where: dict[int, int], partition: int, offset: int) -> None:
    parked = ParkedTable("t", "s", "why", where)
    assert skip(offset, partition, parked) == (offset >= resume_from(parked, range(3))[partition])


@given(offsets, offsets)
def test_parking_again_never_begins_later(before: dict[int, int], after: dict[int, int]) -> None:
    both = merged(ParkedTable("t", "s", "x", before), ParkedTable("t", "s", "y", after))
    assert both.reason == "y"
    begins = resume_from(both, range(3))
    for side in (before, after):
        alone = resume_from(ParkedTable("t", "s", "x", side), range(3))
        assert all(begins[p] <= alone[p] for p in range(3))


def test_a_table_that_was_parked_before_its_first_batch_begins_at_the_topics_beginning_for_good() -> None:
    """Its stream reads on past it, and it is parked once more, for another reason."""
    first, later = ParkedTable("t", "s", "x"), ParkedTable("t", "s", "y", {0: 500, 1: 400})
    assert merged(first, later).offsets == {0: 0, 1: 0}
    assert merged(later, first).offsets == {0: 0, 1: 0}  # gone back to a table that was parked so


def test_a_partition_that_was_added_while_a_table_is_parked_is_read_whole() -> None:
    before, after = ParkedTable("t", "s", "x", {0: 10}), ParkedTable("t", "s", "y", {0: 90, 1: 70})
    assert merged(before, after).offsets == {0: 10, 1: 0}
