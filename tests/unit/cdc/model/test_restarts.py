"""Failed connector tasks are restarted a few times, soon and then later, and never more often in an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.model.health import Alarm, Level, Verdict, evaluate
from cdc.model.restarts import Restart, may_restart, what_failed, with_restarts
from cdc.model.samples import ConnectorSample, TaskSample
from cdc.spec import PoliciesSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("restarts", "allowed"),
    [
        ([], True),
        ([ago(4)], False),
        ([ago(5)], True),
        ([ago(20), ago(9)], False),
        ([ago(20), ago(10)], True),
        ([ago(900), ago(800), ago(700)], False),
        ([ago(3601), ago(800), ago(700)], True),
    ],
)
def test_three_an_hour_each_after_twice_the_time(restarts: list[datetime], allowed: bool) -> None:
    assert may_restart(restarts, 3, NOW) is allowed


def test_none_where_the_policy_says_none() -> None:
    assert not may_restart([], 0, NOW)


@given(looks=st.lists(st.integers(1, 400), min_size=1, max_size=200), per_hour=st.integers(0, 5))
def test_no_hour_has_more_than_allowed_however_often_it_is_looked(looks: list[int], per_hour: int) -> None:
    at, done = NOW, list[datetime]()
    for pause in looks:
        at += timedelta(seconds=pause)
        if may_restart(done, per_hour, at):
            done.append(at)
    for moment in done:
        assert sum(moment <= other < moment + timedelta(hours=1) for other in done) <= per_hour


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        (ConnectorSample("c", NOW, "RUNNING", (TaskSample(0, "RUNNING"),)), ""),
        (ConnectorSample("c", NOW, "RUNNING", (TaskSample(0, "FAILED"),)), "task 0"),
        (
            ConnectorSample("c", NOW, "RUNNING", (TaskSample(0, "FAILED"), TaskSample(2, "FAILED"))),
            "tasks 0, 2",
        ),
        (ConnectorSample("c", NOW, "FAILED"), "the connector itself"),
        (ConnectorSample("c", NOW, "PAUSED", (TaskSample(0, "PAUSED"),)), ""),
    ],
)
def test_says_what_has_failed(sample: ConnectorSample, said: str) -> None:
    assert what_failed(sample) == said


class TestVerdict:
    RUNS = ConnectorSample("c", NOW, "RUNNING", (TaskSample(0, "RUNNING"),))
    FAILED = ConnectorSample("c", NOW, "RUNNING", (TaskSample(0, "FAILED", "boom"),))

    def judged(self, sample: ConnectorSample, *restarts: datetime, trouble: str = "") -> Verdict:
        done = [Restart("c", "task 0", "boom", at) for at in restarts]
        return with_restarts(evaluate(sample, PoliciesSpec()), done, 3, NOW, trouble)

    def test_says_how_often_it_was_restarted(self) -> None:
        verdict = self.judged(self.FAILED, ago(20), ago(1))
        assert verdict.level is Level.BREACH
        assert verdict.sentence.endswith("(restarted by itself 2 of at most 3 times within an hour)")

    def test_what_runs_since_a_moment_is_not_well_yet(self) -> None:
        verdict = self.judged(self.RUNS, ago(14))
        assert verdict.level is Level.BREACH
        assert verdict.alarm is Alarm.CONNECTOR_FAILED
        assert "task 0 has failed and was started again just now: boom" in verdict.sentence
        assert self.judged(self.RUNS, ago(15)).level is Level.OK

    def test_a_restart_that_was_not_possible_is_said(self) -> None:
        assert "could not be restarted: away" in self.judged(self.FAILED, trouble="away").sentence

    def test_without_restarts_it_is_the_verdict_of_its_state(self) -> None:
        for sample in (self.RUNS, self.FAILED, ConnectorSample("c", NOW, unreachable="x")):
            assert self.judged(sample) == evaluate(sample, PoliciesSpec())
