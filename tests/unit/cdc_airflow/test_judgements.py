"""When a launched query counts as started, and when a stopped one is worth a mail."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cdc.model.health import Level
from cdc.model.samples import QuerySample
from cdc.spec import PoliciesSpec
from cdc_airflow.checks import Driver, judge_first_progress, judge_query

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


class TestQueryHealth:
    POLICY = PoliciesSpec(max_progress_age_s=120)
    SEEN = replace(SAMPLE, seen_at=LAUNCH + timedelta(seconds=90))

    def test_a_stop_on_request_is_a_warning_while_the_rows_are_fresh(self) -> None:
        verdict = judge_query(replace(self.SEEN, wanted=False), self.POLICY)
        assert verdict.level is Level.WARN

    def test_and_a_breach_once_they_are_older_than_promised(self) -> None:
        late = replace(self.SEEN, wanted=False, at=LAUNCH + timedelta(seconds=300))
        verdict = judge_query(late, self.POLICY)
        assert verdict.level is Level.BREACH
        assert "no progress for 210 s" in verdict.sentence
        assert "stopped on request" in verdict.sentence
        assert "action ensure" in verdict.todo
        assert "action pause, or `cdc stream pause`" in verdict.todo
        assert "cdc_health" not in verdict.todo
        assert verdict.since == self.SEEN.seen_at

    def test_a_pause_is_meant_and_alarms_nobody(self) -> None:
        late = replace(self.SEEN, wanted=False, at=LAUNCH + timedelta(days=3), paused_at=LAUNCH)
        verdict = judge_query(late, self.POLICY)
        assert verdict.level is Level.WARN
        assert "is paused since 2026-03-01 12:00 UTC" in verdict.sentence
        assert "resume" in verdict.todo

    def test_anything_else_is_the_library_s_verdict(self) -> None:
        assert judge_query(self.SEEN, self.POLICY).level is Level.OK
        away = replace(self.SEEN, wanted=False, unreachable="the ops store does not answer")
        assert judge_query(away, self.POLICY).level is Level.UNKNOWN
