"""When a fault that ends by itself may begin: between two runs of the schedule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_stack.drill import stage as module
from local_stack.drill.stage import Stage
from local_stack.job.airflow_api import AirflowApi, DagRun


class Schedule:
    """In place of Airflow: what it answers, look by look."""

    def __init__(self, *looks: tuple[str, float | None]) -> None:
        self._looks, self.looked = list(looks), 0

    def runs(self, dag_id: str) -> list[DagRun]:
        self.looked += 1
        self._state, self._in_s = self._looks.pop(0)
        return [DagRun(dag_id, "one", self._state, "scheduled", datetime.now(UTC))]

    def next_run(self, _: str) -> datetime | None:
        return None if self._in_s is None else datetime.now(UTC) + timedelta(seconds=self._in_s)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Callable[[Schedule], None]:
    monkeypatch.setattr(module, "POLL_S", 0.0)

    def wait(schedule: Schedule) -> None:
        session = cast("Any", SimpleNamespace(api=cast("AirflowApi", schedule)))
        stage = object.__new__(Stage)
        stage.session = session
        stage.await_room("cdc_health", 90)

    return wait


def test_it_waits_for_a_run_that_is_under_way_and_for_one_that_comes_soon(
    waiting: Callable[[Schedule], None],
) -> None:
    schedule = Schedule(("running", 280), ("success", 40), ("queued", 290), ("success", 250))
    waiting(schedule)
    assert schedule.looked == 4


def test_a_dag_without_a_schedule_has_room_at_once(waiting: Callable[[Schedule], None]) -> None:
    schedule = Schedule(("failed", None))
    waiting(schedule)
    assert schedule.looked == 1
