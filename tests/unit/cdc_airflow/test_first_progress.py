"""When a launched query counts as started."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cdc.model.health import Level, QuerySample
from cdc_airflow.checks import Driver, judge_first_progress

LAUNCH = datetime(2026, 3, 1, 12, tzinfo=UTC)
SAMPLE = QuerySample("shop.orders.warehouse", LAUNCH + timedelta(minutes=2), launched_at=LAUNCH)
ALIVE = Driver("application_1_1")
ENDED = Driver("application_1_1", "FAILED: out of memory")


@pytest.mark.parametrize(
    ("sample", "driver", "level"),
    [
        (replace(SAMPLE, seen_at=LAUNCH + timedelta(seconds=40)), ALIVE, Level.OK),
        # It has progressed and ended since: what it is now is not this check's question.
        (replace(SAMPLE, seen_at=LAUNCH + timedelta(seconds=40)), ENDED, Level.OK),
        (replace(SAMPLE, seen_at=LAUNCH - timedelta(seconds=1)), ALIVE, Level.WARN),
        (SAMPLE, ALIVE, Level.WARN),
        (SAMPLE, None, Level.WARN),
        (SAMPLE, ENDED, Level.BREACH),
        (replace(SAMPLE, launched_at=None), None, Level.BREACH),
        (replace(SAMPLE, unreachable="the ops store does not answer"), ALIVE, Level.UNKNOWN),
    ],
)
def test_levels(sample: QuerySample, driver: Driver | None, level: Level) -> None:
    assert judge_first_progress(sample, driver).level is level


def test_an_ended_driver_is_told_with_what_yarn_says() -> None:
    sentence = judge_first_progress(SAMPLE, ENDED).sentence
    assert "application_1_1 has ended, FAILED: out of memory" in sentence
