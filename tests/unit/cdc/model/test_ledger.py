"""The ledger tells replays from progress."""

from hypothesis import given
from hypothesis import strategies as st

from cdc.model.ledger import Range, advance, rows_to_apply


def test_a_range_across_the_ledger_is_split_there() -> None:
    decision = rows_to_apply({("t", 0): 50}, [Range("t", 0, 40, 60)])
    assert decision.replayed == (Range("t", 0, 40, 50),)
    assert decision.fresh == (Range("t", 0, 50, 60),)
    assert decision.gaps == ()


def test_a_range_beyond_the_ledger_leaves_a_gap() -> None:
    assert rows_to_apply({("t", 0): 50}, [Range("t", 0, 60, 70)]).gaps == (Range("t", 0, 50, 60),)


def test_a_partition_without_a_record_is_fresh_wherever_it_begins() -> None:
    decision = rows_to_apply({}, [Range("t", 0, 60, 70), Range("t", 1, 5, 5)])
    assert (decision.fresh, decision.gaps) == ((Range("t", 0, 60, 70),), ())


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_fresh_and_replayed_make_up_the_range(written: int, start: int, length: int) -> None:
    item = Range("t", 0, start, start + length)
    decision = rows_to_apply({("t", 0): written}, [item])
    covered = [o for r in decision.replayed + decision.fresh for o in range(r.from_offset, r.until_offset)]
    assert covered == list(range(start, start + length))
    assert all(r.until_offset <= written for r in decision.replayed)
    assert all(r.from_offset >= written for r in decision.fresh)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=8))
def test_applying_twice_leaves_nothing_fresh_and_never_goes_back(spans: list[tuple[int, int]]) -> None:
    ranges = [Range("t", 0, start, start + length) for start, length in spans]
    ledger = advance({("t", 0): 10}, ranges)
    assert ledger[("t", 0)] >= 10
    assert rows_to_apply(ledger, ranges).fresh == ()
    assert advance(ledger, ranges) == ledger
