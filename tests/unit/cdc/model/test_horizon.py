"""A tombstone goes only when nothing older than it can come again."""

from cdc.model.horizon import cleanup_permitted, horizons, is_behind
from cdc.model.version import pack


def test_the_horizon_is_the_earliest_event_of_each_partition() -> None:
    assert horizons({0: pack(1, 7), 1: pack(1, 3)}) == {0: pack(1, 7), 1: pack(1, 3)}


def test_a_dead_letter_holds_its_partition_back() -> None:
    found = horizons({0: pack(1, 7), 1: pack(1, 3)}, [(0, pack(1, 2))])
    assert found == {0: pack(1, 2), 1: pack(1, 3)}


def test_tombstones_of_later_generations_stay_while_an_earlier_one_can_be_read() -> None:
    found = horizons({0: pack(1, 7), 1: pack(2, 9)})
    assert is_behind(1, pack(1, 100), found)
    assert not is_behind(1, pack(2, 0), found)


def test_a_tombstone_of_a_partition_that_is_gone_stays() -> None:
    assert not is_behind(5, pack(1, 0), {0: pack(2, 0)})


def test_cleanup_waits_for_every_tombstone_and_for_repairs() -> None:
    horizon = {0: pack(1, 7)}
    assert cleanup_permitted([(0, pack(1, 6))], horizon, repairs=0)
    assert not cleanup_permitted([(0, pack(1, 6)), (0, pack(1, 7))], horizon, repairs=0)
    assert not cleanup_permitted([(0, pack(1, 6))], horizon, repairs=1)
