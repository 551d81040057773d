"""Kafka has to keep events for longer than the slowest reader needs, with the time of a replay to spare."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cdc.model.health import Level
from cdc.model.retention import Reader, RetentionSample, judge_retention, lost_events, unread
from cdc.spec.sections import MaintenanceSpec

NOW = datetime(2026, 1, 10, tzinfo=UTC)
HOUR = 3600
POLICY = MaintenanceSpec(horizon_age_minutes=360)
DAY = RetentionSample("t", NOW, limit_s=24 * HOUR)


def behind(hours: float, name: str = "shop.orders.warehouse") -> Reader:
    return Reader(name, NOW - timedelta(hours=hours))


CASES: list[tuple[RetentionSample, Level, str]] = [
    (
        replace(DAY, readers=(Reader("q"),)),
        Level.OK,
        "keeps events for 24 h, every query has read everything",
    ),
    (replace(DAY, readers=(behind(1), behind(2, "slow"))), Level.OK, "slow is 2 h behind"),
    (replace(DAY, readers=(behind(17.9),)), Level.OK, "17 h 54 min behind"),
    (
        replace(DAY, readers=(behind(18.5),)),
        Level.BREACH,
        "only 5 h 30 min are left, a replay or a repair may",
    ),
    (replace(DAY, readers=(behind(25),)), Level.BREACH, "the next to be removed are unread"),
    (replace(DAY, readers=(Reader("q", NOW, lost=3),)), Level.BREACH, "not read yet: 3 of q"),
    # Nothing waits, and yet nothing could be replayed for as long as that may take.
    (replace(DAY, limit_s=5 * HOUR), Level.BREACH, "only 5 h are left"),
    (RetentionSample("t", NOW, readers=(behind(9000),)), Level.OK, "keeps every event"),
    (
        replace(DAY, limit_bytes=2**20, begins=NOW - timedelta(hours=2), readers=(behind(1),)),
        Level.BREACH,
        r"2 h at the present rate \(retention.bytes 1,048,576\)",
    ),
    # A limit of bytes that has removed nothing yet keeps longer than the limit of age says.
    (replace(DAY, limit_bytes=2**20), Level.OK, "for 24 h"),
    (RetentionSample("t", NOW, unreachable="refused"), Level.UNKNOWN, "could not be checked: refused"),
]


@pytest.mark.parametrize(("sample", "level", "said"), CASES)
def test_each_verdict_has_its_figures_and_what_to_do(
    sample: RetentionSample, level: Level, said: str
) -> None:
    verdict = judge_retention(sample, POLICY)
    assert verdict.level is level
    assert re.search(said, verdict.sentence), verdict.sentence
    assert bool(verdict.todo) is (level is not Level.OK)


def test_what_is_unread_begins_where_reading_goes_on() -> None:
    assert unread({0: 5, 1: 9}, {0: 8, 1: 9}) == {0: 5}
    assert unread({}, {0: 8, 1: 0}) == {0: 0}
    # A table that was parked before a partition existed has nothing to lose there.
    assert unread({0: 5}, {0: 8, 1: 7}) == {0: 5}


def test_what_kafka_has_removed_unread_is_counted() -> None:
    assert lost_events({0: 5, 1: 9}, {0: 8, 1: 2}) == 3
    assert lost_events({}, {0: 8}) == 0
