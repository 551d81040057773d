"""Failed connector tasks are restarted a few times, soon and then later, and never more often in an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.model.restarts import may_restart, what_failed
from cdc.model.samples import ConnectorSample, TaskSample

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
