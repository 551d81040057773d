"""A stop or a pause that is asked for while a stream's DAG waits for the launch lock stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
