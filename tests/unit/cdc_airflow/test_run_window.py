"""Which rows a run is about: a backfill's run those of its interval, others what was asked or declared."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cdc.errors import ConfigurationError
from cdc.model.window import Window
from cdc_airflow.run_window import Run, chosen_window

DAY = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("asked", "run_type", "windows", "chosen"),
    [
        ("auto", "backfill", False, True),
        ("auto", "scheduled", False, False),
        ("auto", "scheduled", True, True),
        ("auto", "manual", True, False),
        ("interval", "manual", False, True),
        ("all", "backfill", True, False),
    ],
)
def test_the_rows_of_a_run(asked: str, run_type: str, windows: bool, chosen: bool) -> None:
    expected = Window(*DAY) if chosen else None
    assert chosen_window(asked, Run(run_type, DAY), windows=windows) == expected


@pytest.mark.parametrize("interval", [None, (DAY[0], DAY[0])])
def test_a_run_without_an_interval_is_told_what_to_do(interval: tuple[datetime, datetime] | None) -> None:
    with pytest.raises(ConfigurationError, match=r"has no data interval: .*cdc reconcile --from"):
        chosen_window("interval", Run("manual", interval), windows=False)
    assert chosen_window("all", Run("manual", interval), windows=True) is None
