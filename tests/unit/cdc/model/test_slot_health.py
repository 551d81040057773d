"""How fast a slot's retained WAL grows, from looks that are minutes apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cdc.model.slot_health import SlotPoint, retained_growth

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def points(*looks: tuple[float, int]) -> list[SlotPoint]:
    return [SlotPoint(NOW - timedelta(seconds=ago), retained) for ago, retained in looks]


def test_is_the_difference_over_the_window() -> None:
    assert retained_growth(points((300, 100), (0, 700))) == 2.0
    assert retained_growth(points((300, 700), (0, 100))) == -2.0


def test_looks_before_the_window_do_not_count() -> None:
    assert retained_growth(points((5000, 0), (100, 500), (0, 600))) == 1.0


def test_too_few_or_too_close_looks_tell_nothing() -> None:
    assert retained_growth([]) is None
    assert retained_growth(points((0, 5))) is None
    assert retained_growth(points((5, 5), (0, 10**9))) is None


@given(rate=st.integers(-1000, 1000), count=st.integers(2, 30), step=st.integers(20, 60))
def test_a_steady_rate_is_found_whatever_the_looks(rate: int, count: int, step: int) -> None:
    looks = [((count - n) * step, 10**6 + rate * n * step) for n in range(1, count + 1)]
    found = retained_growth(points(*looks))
    assert found is not None
    assert abs(found - rate) < 1e-6
