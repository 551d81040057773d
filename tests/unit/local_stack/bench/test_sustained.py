"""Where the searches for what Debezium captures and for what is sustained go."""

from __future__ import annotations

import math

import pytest

from local_stack.bench.sustained import FIRST_SHARE, HALVINGS, LEAST_SHARE, greatest_share, next_wanted


@pytest.mark.parametrize("limit", [0.04, 0.3, 0.56, 0.71, 0.9])
def test_the_search_ends_just_below_what_is_held(limit: float) -> None:
    found = greatest_share(lambda share: share <= limit)
    assert found <= limit
    assert limit - found <= (FIRST_SHARE - LEAST_SHARE) / 2**HALVINGS


def test_what_is_held_at_once_is_not_searched_for() -> None:
    asked: list[float] = []

    def holds(share: float) -> bool:
        asked.append(share)
        return True

    assert greatest_share(holds) == FIRST_SHARE
    assert asked == [FIRST_SHARE]
    assert greatest_share(lambda _: False) == LEAST_SHARE


def test_the_captures_rate_goes_up_from_what_it_follows_and_down_from_what_is_too_much() -> None:
    assert next_wanted(5_000, math.inf) == pytest.approx(5_750)
    assert next_wanted(5_000, 5_200) == 5_100
    assert next_wanted(4_000, 6_000) == pytest.approx(4_600)
