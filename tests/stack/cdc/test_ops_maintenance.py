"""Reports of upkeep in a real ops store: the last of each place is found, and outlives the others."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from cdc.ops import OpsStore
from cdc.ops.maintenance import KAFKA, OPS_STORE
from cdc.services.upkeep_report import PartitionUpkeep, TableUpkeep

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SIZE = {"parts": 2, "rows": 5, "bytes": 900}


def record(ops: OpsStore, place: str, table: str, *done: str, pipeline: str = "p") -> None:
    step = TableUpkeep(place, table, SIZE, SIZE, done, (), (PartitionUpkeep("all", SIZE, SIZE, 0.5),))
    ops.record_maintenance(pipeline, "cdc maintain", place, table, datetime.now(UTC), step.as_dict())


def test_the_last_report_of_each_place_and_table_is_found(ops: OpsStore) -> None:
    for number in (1, 2):
        record(ops, "clickhouse", "a", f"run {number}")
        record(ops, "warehouse", "a", f"run {number}")
    record(ops, OPS_STORE, "")
    record(ops, KAFKA, "", "fine")
    record(ops, KAFKA, "", "of another pipeline", pipeline="q")
    found = [(one.place, one.table, list(one.done)) for one in ops.last_maintenance("p")]
    assert found == [
        (KAFKA, "", ["fine"]), (OPS_STORE, "", []),
        ("warehouse", "a", ["run 2"]), ("clickhouse", "a", ["run 2"]),
    ]  # fmt: skip
    assert [one.place for one in ops.maintenance("p", 3)] == [KAFKA, OPS_STORE, "warehouse"]


def test_a_report_is_a_document_with_its_figures(ops: OpsStore) -> None:
    record(ops, "clickhouse", "a", "merged")
    (one,) = ops.maintenance("p", 5)
    document = json.loads(json.dumps(one.as_document()))
    assert (document["run"], document["outcome"], document["merged_bytes"]) == ("cdc maintain", "done", 900)
    assert document["before"] == SIZE
    assert document["partitions"] == [
        {"id": "all", "before": SIZE, "after": SIZE, "seconds": 0.5, "left": ""}
    ]
    assert document["seconds"] >= 0
    assert datetime.fromisoformat(document["finished_at"]) == one.finished_at


def test_old_ones_are_forgotten_but_for_the_last_of_each(ops: OpsStore) -> None:
    for table in ("a", "a", "b"):
        record(ops, "clickhouse", table)
    record(ops, "warehouse", "a")
    ops.rows("UPDATE cdc_ops.maintenance SET finished_at = now() - interval '1 year'")
    record(ops, "clickhouse", "b")
    assert ops.purge(30)["maintenance reports"] == 2
    assert {(one.place, one.table) for one in ops.maintenance("p", 9)} == {
        ("clickhouse", "a"), ("clickhouse", "b"), ("warehouse", "a"),
    }  # fmt: skip
