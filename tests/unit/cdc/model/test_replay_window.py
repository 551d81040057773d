"""Which offsets a replay reads; what Kafka has no more is refused with what it has."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cdc.errors import ConfigurationError, GenerationError
from cdc.model.bounds import Bounds
from cdc.model.replay_window import Log, asked_bounds, replay_window

EARLIEST, LATEST = Bounds(word="earliest"), Bounds(word="latest")
TIME = Bounds(timestamp_ms=1)


def offsets(**parts: int) -> Bounds:
    return Bounds(offsets={"t": {int(name[1:]): offset for name, offset in parts.items()}})


def log(since: dict[int, int] | None = None, until: dict[int, int] | None = None, begins: int = 10) -> Log:
    return Log("t", {0: begins, 1: 0}, {0: 100, 1: 50}, since or {}, until or {})


def test_a_run_without_bounds_is_about_its_day() -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    assert asked_bounds("", "", day) == ("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00")
    assert asked_bounds("", "latest", day) == ("2026-01-01T00:00:00+00:00", "latest")
    assert asked_bounds("earliest", "", day) == ("earliest", "latest")
    for nothing in (None, (day[0], day[0])):
        with pytest.raises(ConfigurationError, match="expected `from`"):
            asked_bounds("", "x", nothing)


def test_words_times_and_offsets_become_offsets() -> None:
    assert replay_window("x", EARLIEST, LATEST, log()) == ({0: 10, 1: 0}, {0: 100, 1: 50})
    assert replay_window("x", TIME, TIME, log({0: 20, 1: 0}, {0: 30, 1: 0})) == ({0: 20, 1: 0}, {0: 30, 1: 0})
    assert replay_window("x", offsets(p0=12), LATEST, log()) == ({0: 12}, {0: 100})
    assert replay_window("x", offsets(p0=12), offsets(p0=13), log()) == ({0: 12}, {0: 13})
    assert replay_window("x", EARLIEST, offsets(p1=7), log()) == ({1: 0}, {1: 7})


@pytest.mark.parametrize("until", [{0: 10, 1: 0}, {0: 40, 1: 0}])
def test_a_time_before_the_first_record_that_is_left_is_refused(until: dict[int, int]) -> None:
    with pytest.raises(GenerationError) as refusal:
        replay_window("orders", TIME, TIME, log({0: 10, 1: 0}, until))
    assert "offsets 10 to 99 of partition 0, 0 to 49 of partition 1" in str(refusal.value)
    assert "`cdc backfill orders`" in str(refusal.value)


def test_a_log_that_was_never_cut_has_everything() -> None:
    begin, _ = replay_window("x", TIME, LATEST, log({0: 0, 1: 0}, begins=0))
    assert begin == {0: 0, 1: 0}


def test_offsets_that_are_gone_behind_the_end_backwards_or_foreign_are_refused() -> None:
    with pytest.raises(GenerationError, match="Kafka has removed events of t"):
        replay_window("x", offsets(p0=9), LATEST, log())
    with pytest.raises(ConfigurationError, match=r"behind its end, in partitions \[0\]"):
        replay_window("x", offsets(p0=50), offsets(p0=101), log())
    with pytest.raises(ConfigurationError, match="end before it begins"):
        replay_window("x", offsets(p0=50), offsets(p0=49), log())
    with pytest.raises(ConfigurationError, match=r"partitions \[7\], expected those of t: \[0, 1\]"):
        replay_window("x", offsets(p7=0), offsets(p7=5), log())


def test_a_partition_that_has_no_record_left_refuses_nothing() -> None:
    emptied = Log("t", {0: 100, 1: 0}, {0: 100, 1: 50}, {0: 100, 1: 7}, {0: 100, 1: 9})
    assert replay_window("x", TIME, TIME, emptied) == ({0: 100, 1: 7}, {0: 100, 1: 9})
