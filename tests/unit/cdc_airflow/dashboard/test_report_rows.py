"""A report is told as it was written, also one of another version."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cdc.comparison.report import Difference
from cdc.model.window import Window
from cdc.ops.history import Report
from cdc.services.reconcile_report import TableReconciliation
from cdc_airflow.dashboard.report_rows import ReportRow, report_rows

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def written(**values: Any) -> ReportRow:
    made: dict[str, Any] = {
        "table": "public.orders", "name": "orders", "method": "checksums",
        "rows": {"clickhouse": 9, "source": 10, "warehouse": 10}, "buckets": 64, "opened": 1, "moved": 5,
        "looked_at": 2, "lsn": 0x1_0000_00FF, "ends": {0: 5}, "differences": {}, "examples": (),
        "unsettled": {}, "repaired": {}, "left": {},
    }  # fmt: skip
    report = TableReconciliation(**{**made, **values})
    return row(report.as_dict(), equal=report.equal)


def row(report: dict[str, Any], *, equal: bool) -> ReportRow:
    (found,) = report_rows([Report(1, "orders", NOW - timedelta(seconds=3), NOW, equal, report)])
    return found


def test_the_source_comes_first_and_the_position_is_an_lsn() -> None:
    found = written()
    assert found.rows == (("source", 10), ("clickhouse", 9), ("warehouse", 10))
    assert (found.lsn, found.took, found.settled, found.left) == ("1/FF", "3.0 s", True, 0)
    assert found.how == "checksums: 1 of 64 buckets opened, 2 keys looked at"


def test_differences_are_counted_by_sink_and_kind_with_what_was_done() -> None:
    example = Difference("differing", "clickhouse", (7, "a"), "status", "paid", None)
    found = written(
        differences={"clickhouse": {"missing": 2, "differing": 1}}, repaired={"clickhouse": 2},
        left={"clickhouse": 1}, examples=(example,), skipped={"warehouse": "parked"},
        unsettled={"clickhouse": 4}, refused="because", cut=True,
    )  # fmt: skip
    first, second = found.sinks
    assert first.kinds == (("differing", 1), ("missing", 2))
    assert (first.differing, first.repaired, first.left, first.unsettled) == (3, 2, 1, 4)
    assert (second.sink, second.skipped) == ("warehouse", "parked")
    assert not found.settled
    assert found.remarks[0] == "because"
    (key,) = found.keys
    assert (key.key, key.column, key.expected, key.found) == ("7, a", "status", "'paid'", "NULL")


def test_a_window_is_two_moments() -> None:
    assert written(window=Window(NOW - timedelta(days=1), NOW)).window == (
        "2026-01-01 12:00",
        "2026-01-02 12:00",
    )


def test_a_report_of_another_version_lacks_what_it_lacks() -> None:
    found = row({}, equal=False)
    assert (found.rows, found.lsn, found.sinks, found.keys, found.left) == ((), "", (), (), 0)
    assert not found.settled
