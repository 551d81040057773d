"""The reconciliation's plan, faults, statements and verdict; the run itself is `make bench`'s."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cdc.comparison.report import Difference
from cdc.ddl.columns import sink_columns
from cdc.errors import DataError
from cdc.model.generations import FIRST_GENERATION
from cdc.services.reconcile_report import TableReconciliation
from cdc.spec import load_pipeline
from local_stack.bench.reconcile import Run, check_found, document
from local_stack.bench.reconcile_faults import faults
from local_stack.bench.reconcile_place import (
    PIECE,
    SAMPLE,
    SINK_VALUES,
    SOURCE_VALUES,
    copy_out,
    pieces,
    warehouse_values,
)
from local_stack.bench.runner import changed
from local_stack.bench.steps import FULL, SHORT

PIPELINE = load_pipeline(Path(__file__).parents[4] / SAMPLE, "dev")
ORDERS = PIPELINE.table("orders_fact")
FOUND = (
    Difference("differing", "clickhouse", ("7",), "note", "a", "b"),
    Difference("extra", "warehouse", ("9",)),
)
REPORT = TableReconciliation(
    table="public.orders", name="orders", method="checksums", rows={}, buckets=16, opened=2, moved=60,
    looked_at=2, lsn=1, ends={}, differences={"clickhouse": {"differing": 1}, "warehouse": {"extra": 1}},
    examples=FOUND, unsettled={"clickhouse": 0}, repaired={}, left={},
)  # fmt: skip
EXPECTED = {("clickhouse", "differing", "7"), ("warehouse", "extra", "9")}


def test_the_short_plan_reconciles_only_when_asked_by_name():
    assert changed(SHORT, 0, 0, 0, ()).reconcile_rows == 0
    assert changed(SHORT, 50_000, 0, 0, ("drain",)).reconcile_rows == 0
    assert changed(SHORT, 0, 0, 0, ("reconcile",)).reconcile_rows == SHORT.rows
    asked = changed(SHORT, 1_000_000, 5, 0, ("drain", "reconcile"))
    assert (asked.reconcile_rows, asked.reconcile_repeats) == (1_000_000, 5)


def test_the_full_plan_reconciles_ten_million_rows_unless_told_otherwise():
    assert changed(FULL, 0, 0, 0, ()).reconcile_rows == 10_000_000
    assert changed(FULL, 1_000, 0, 0, ()).reconcile_rows == 1_000


def test_each_sink_has_every_kind_of_fault_at_keys_of_its_own():
    planted = list(faults(["clickhouse", "warehouse"], 1_000))
    assert len({fault.key for fault in planted}) == len(planted)
    for sink in ("clickhouse", "warehouse"):
        mine = {fault.kind: fault.key for fault in planted if fault.sink == sink}
        assert mine.keys() == {"differing", "missing", "extra"}
        assert mine["extra"] > 1_000 >= max(mine["differing"], mine["missing"])


def test_every_column_of_the_sample_and_of_both_sinks_gets_a_value():
    assert list(SOURCE_VALUES) == [column.name for column in ORDERS.columns]
    derived = {column.name for column in sink_columns(ORDERS)} - set(SOURCE_VALUES)
    assert derived == set(SINK_VALUES)


def test_copies_have_the_columns_of_each_sinks_table():
    clickhouse, warehouse = PIPELINE.sinks
    text = copy_out(ORDERS, clickhouse, 1, 10).as_string()
    assert text.endswith("WHERE id BETWEEN 1 AND 10) TO STDOUT (FORMAT text)")
    binary = copy_out(ORDERS, warehouse, 1, 10).as_string()
    assert f"({FIRST_GENERATION})::integer" in binary
    assert "(0)::boolean" in binary
    assert '("status")::text' in binary
    names, values = warehouse_values(ORDERS)
    assert names.as_string().count(", ") == len(sink_columns(ORDERS)) - 1
    assert values.as_string() in binary


def test_rows_are_sent_in_pieces_that_are_worth_a_call():
    rows = [b"x" * 1000] * 600
    sent = list(pieces(rows))
    assert b"".join(sent) == b"".join(rows)
    assert [len(piece) >= PIECE for piece in sent] == [True, True, False]


def test_a_run_counts_when_exactly_the_planted_differences_were_found():
    check_found(REPORT, EXPECTED)
    equal = replace(REPORT, differences={}, examples=())
    check_found(equal, set())


@pytest.mark.parametrize(
    "report",
    [
        replace(REPORT, differences={}, examples=()),
        replace(REPORT, differences={"clickhouse": {"differing": 2}, "warehouse": {"extra": 1}}),
        replace(REPORT, unsettled={"clickhouse": 1}),
        replace(REPORT, method="rows: a reason"),
    ],
    ids=["none-found", "more-found", "unsettled", "by-rows"],
)
def test_a_run_that_found_anything_else_does_not_count(report):
    with pytest.raises(DataError, match="its times do not count"):
        check_found(report, EXPECTED)


def test_figures_are_medians_and_ranges_by_database():
    runs = [
        Run(seconds, {"source": 1000 + number}, {"source": seconds / 2}, 48, 0, 0, 0)
        for number, seconds in enumerate((2.0, 4.0, 1.0))
    ]
    found = document(100, runs)
    assert found["seconds"] == {"median": 2.0, "low": 1.0, "high": 4.0, "count": 3}
    assert found["rows_per_s"]["median"] == 50.0
    assert found["cpu_s"]["source"]["high"] == 2.0
    assert found["bytes"]["source"]["median"] == 1001
    assert (found["checksums"], found["opened_rows"], len(found["runs"])) == (48, 0, 3)
