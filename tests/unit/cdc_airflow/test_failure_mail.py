"""A task that fails at every run is told once, also in runs that an asset has woken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from cdc.spec import AlertsSpec
from cdc_airflow.notifications import failure_mail
from cdc_airflow.notifications.failure_mail import FailureMail

NOW = datetime(2026, 3, 1, 13, tzinfo=UTC)
ALERTS = AlertsSpec.model_validate(
    {"connection": "cdc_mail", "from": "cdc@shop.example", "to": ["ops@shop.example"]}
)


@dataclass
class TaskInstance:
    """Finds a task's previous run as Airflow's API does: undated runs come first, the own one among them."""

    earlier: dict[datetime | None, str]
    dag_id: str = "cdc_stream_products"
    task_id: str = "wait_for_first_progress"
    run_id: str = "r"
    log_url: str = "http://airflow.example/log"

    def get_previous_ti(self, logical_date: datetime | None = None) -> Any:
        if logical_date is None:
            return SimpleNamespace(state="running")
        dated = [at for at in self.earlier if at is not None and at < logical_date]
        return SimpleNamespace(state=self.earlier[max(dated)]) if dated else None


@pytest.mark.parametrize("by_asset", [True, False])
@pytest.mark.parametrize(("before", "told"), [("failed", 0), ("success", 1), (None, 1)])
def test_the_first_failure_alone_is_told(
    monkeypatch: pytest.MonkeyPatch, by_asset: bool, before: str | None, told: int
) -> None:
    posted: list[Any] = []
    monkeypatch.setattr(failure_mail, "post", lambda *message: posted.append(message))
    ti = TaskInstance({NOW - timedelta(minutes=10): before} if before else {})
    run = SimpleNamespace(logical_date=None if by_asset else NOW, run_after=NOW)
    FailureMail(["shop"], ALERTS, once=True).notify({"ti": ti, "dag_run": run, "exception": OSError()})
    assert len(posted) == told
