"""Upkeep is told as it was written, also by another version: what was done, and what was not and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdc.ops.maintenance import KAFKA, OPS_STORE, MaintenanceReport
from cdc.services.upkeep_report import PartitionUpkeep, TableUpkeep
from cdc_airflow.dashboard.maintenance_rows import MaintenanceRow, maintenance_rows

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
BEFORE = {"parts": 12, "bytes": 4_000_000, "rows": 1200, "tombstones": 7}
AFTER = {"parts": 1, "bytes": 3_000_000, "rows": 1000, "tombstones": 7}


def row(report: dict[str, Any], place: str = "clickhouse", table: str = "orders") -> MaintenanceRow:
    made = MaintenanceReport(1, "cdc maintain", place, table, NOW - timedelta(seconds=3), NOW, report)
    (found,) = maintenance_rows([made])
    return found


def test_figures_are_before_and_after_and_one_number_where_nothing_changed() -> None:
    merged = PartitionUpkeep(
        "2026", {"bytes": 900, "parts": 3, "rows": 2}, {"bytes": 800, "parts": 1, "rows": 1}
    )
    left = PartitionUpkeep("2027", {"bytes": 70, "parts": 2, "rows": 2}, {}, left="the budget")
    step = TableUpkeep("clickhouse", "orders", BEFORE, AFTER, ("merged",), (), (merged, left))
    found = row(step.as_dict())
    assert found.figures == ("12 → 1", "1,200 → 1,000", "7", "3.8 MB → 2.9 MB")
    assert (found.merged_bytes, found.took, found.run) == (900, "3.0 s", "cdc maintain")


@pytest.mark.parametrize(
    ("place", "done", "left", "outcome"),
    [
        ("clickhouse", ["merged"], [], "done"),
        ("clickhouse", ["merged"], ["the budget"], "in part"),
        ("clickhouse", [], ["the budget"], "not done"),
        ("clickhouse", [], [], "nothing to do"),
        (OPS_STORE, ["removed 7 old batches"], [], "done"),
        (KAFKA, ["kept for 7 d"], [], "ok"),
        (KAFKA, ["kept for 7 d"], ["kept for too short"], "not ok"),
    ],
)
def test_the_outcome_says_whether_something_was_left(
    place: str, done: list[str], left: list[str], outcome: str
) -> None:
    assert row({"done": done, "left": left}, place).outcome == outcome


def test_many_lines_are_counted() -> None:
    found = row({"left": [f"partition {number}" for number in range(50)]})
    assert len(found.left) == 21
    assert found.left[-1] == "30 more, which `cdc maintenance` shows"


def test_a_report_of_another_version_lacks_what_it_lacks() -> None:
    found = row({})
    assert (found.figures, found.merged_bytes, found.done, found.left) == (("–",) * 4, 0, (), ())
