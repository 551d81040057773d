"""A stop or a pause that is asked for while a stream's DAG waits, for the launch lock or a retry, stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from cdc.model.desired import Desired
from cdc.spec import load_pipeline
from cdc_airflow.operators.ensure_stream import EnsureStreamOperator, Target

SAMPLE = Path(__file__).parents[3] / "include" / "pipelines" / "ecommerce.yaml"


class Surroundings:
    """What is asked of the ops store and of YARN; a person comes while the task waits for the lock."""

    def __init__(self, state: Desired) -> None:
        self.desired, self.asked_for = Desired.RUNNING, state

    @contextmanager
    def exclusively(self, _: str) -> Iterator[None]:
        self.desired = self.asked_for
        yield

    def desired_state(self, *_: str) -> Desired:
        return self.desired

    def request_run(self, *_: str) -> None:
        self.desired = Desired.RUNNING

    def applications(self, **_: Any) -> list[Any]:
        return []


@pytest.mark.parametrize("state", [Desired.STOPPED, Desired.PAUSED])
def test_the_task_is_skipped(state: Desired) -> None:
    around = Surroundings(state)
    pipeline = load_pipeline(SAMPLE)
    operator = EnsureStreamOperator(task_id="ensure_stream", pipeline=pipeline.name, stream="orders")
    operator._target = Target(pipeline, pipeline.stream("orders"), cast("Any", around), cast("Any", around))
    with pytest.raises(AirflowSkipException, match=f"it was {state} while it was to start"):
        operator.submit_job({})
    assert around.desired is state


BEGAN = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("action", "state", "later_s", "tries", "skipped"),
    [
        ("ensure", Desired.STOPPED, 1, 2, True),
        ("restart", Desired.PAUSED, 1, 2, True),
        ("resume", Desired.PAUSED, 1, 2, True),
        ("stop", Desired.RUNNING, 1, 2, True),
        ("pause", Desired.RESTARTING, 1, 2, True),
        # The run is what a person asks for last.
        ("ensure", Desired.STOPPED, 1, 1, False),
        ("resume", Desired.PAUSED, -1, 2, False),
        ("stop", Desired.RUNNING, -1, 2, False),
        # The first try has asked for it.
        ("ensure", Desired.RESTARTING, 1, 2, False),
        ("stop", Desired.STOPPED, 1, 2, False),
    ],
)
def test_a_retry_takes_nothing_back_that_was_asked_for_since(
    action: str, state: Desired, later_s: float, tries: int, skipped: bool
) -> None:
    pipeline = load_pipeline(SAMPLE)
    operator = EnsureStreamOperator(
        task_id="ensure_stream", pipeline=pipeline.name, stream="orders", action=action
    )
    launch = SimpleNamespace(desired=state, desired_at=BEGAN + timedelta(seconds=later_s))
    ops = cast("Any", SimpleNamespace(launch=lambda *_: launch))
    target = Target(pipeline, pipeline.stream("orders"), ops, cast("Any", None))
    context = {"ti": SimpleNamespace(try_number=tries), "dag_run": SimpleNamespace(start_date=BEGAN)}
    said = f"asked for it to be {state} at 2026-01-02 00:00:01 UTC"
    with pytest.raises(AirflowSkipException, match=said) if skipped else nullcontext():
        operator._give_up_when_overtaken(target, context)
