"""Where the searches for what Debezium captures and for what is sustained go."""

from __future__ import annotations

import math

import pytest

from local_stack.bench.sustained import (
    ALONE_LIMIT,
    FIRST_SHARE,
    HALVINGS,
    LEAST_SHARE,
    greatest_carried,
    greatest_share,
    next_wanted,
)


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


@pytest.mark.parametrize("most", [3_000, 5_000, 9_000])
def test_what_comes_to_kafka_is_tried_until_a_rate_is_too_much(most: float) -> None:
    tried: list[float] = []

    def follow(wanted: float) -> tuple[float, bool]:
        tried.append(wanted)
        return min(wanted, most), wanted <= most

    found = greatest_carried(4_800, follow)
    assert found == pytest.approx(most)
    assert max(tried) > most
    assert 3 <= len(tried) < ALONE_LIMIT


def test_a_rate_that_never_is_too_much_ends_the_search_too() -> None:
    assert greatest_carried(1_000, lambda wanted: (wanted, True)) > 2_000
