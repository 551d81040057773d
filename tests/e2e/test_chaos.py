"""A fixed subset of the kills that `make chaos` plays; a component dies, and every row is still right."""

from __future__ import annotations

import pytest

from local_stack.chaos import play_round
from local_stack.job.kills import Kill

KILLS = (Kill("kafka", 1.5, 0.0), Kill("driver", 2.0, 0.5), Kill("clickhouse", 1.0, 0.0))
LONGER = (Kill("control", 2.5, 0.0), Kill("airflow-scheduler", 0.5, 0.0))


@pytest.mark.parametrize(
    "kill",
    [*KILLS, *(pytest.param(kill, marks=pytest.mark.drill) for kill in LONGER)],
    ids=lambda kill: kill.target,
)
def test_after_a_kill_everything_is_equal_again(stack, console, kill):
    with stack.session() as session:
        report = play_round(stack.stack, session, console, kill, seed=1)
    assert report.passed, report
    assert report.changes > 100
