"""Events in Kafka arrive in both sinks as rows, once, whatever is replayed."""

from __future__ import annotations

import os
from decimal import Decimal

import pyarrow as pa
import pytest

from cdc.spec import Pipeline
from cdc_spark.readers import batch_records
from cdc_spark.readers.batch_records import RangeRecords
from cdc_spark.readers.checkpoint import BatchRanges

CUSTOMERS = (
    "SELECT id, email, tags, phone, email_normalized, _op, _offset, _partition, _version, _lsn "
    "FROM VIEW.customers ORDER BY id"
)


def test_inserts_updates_and_deletes_arrive_in_both_sinks_and_replays_change_nothing(lab, rows):
    for number in range(1, 8):
        lab.send("public.customers", "r", {**rows.customer, "id": number})
    changed = {**rows.customer, "id": 2, "email": "New@X.org", "tags": [], "phone": "+33"}
    lab.send("public.customers", "u", changed)
    lab.send("public.customers", "d", {"id": 3})
    assert lab.run("customers") == 0

    clickhouse, warehouse = lab.both(CUSTOMERS)
    assert clickhouse == warehouse
    assert [row["id"] for row in warehouse] == [1, 2, 4, 5, 6, 7]
    assert warehouse[0]["tags"] == rows.customer["tags"]
    assert warehouse[0]["email_normalized"] == "ada@example.org"
    assert (warehouse[1]["tags"], warehouse[1]["phone"], warehouse[1]["_op"]) == ([], "+33", "UPDATE")

    progress = {item.sink: item for item in lab.ops.latest_progress(lab.pipeline.name)}
    assert set(progress) == {"clickhouse", "warehouse"}
    done = progress["warehouse"]
    assert (done.input_rows, done.inserted, done.updated, done.deleted) == (10, 7, 1, 1)
    assert (done.offsets_behind, done.dead_letters) == (0, 0)
    assert sum(done.until_offsets[lab.topic("public.customers")].values()) == 10
    assert done.checkpoint_ms > 0
    assert done.latency_ms > done.checkpoint_ms

    before = lab.both("SELECT id, _version, _is_deleted FROM RAW.customers ORDER BY id, _version")
    lab.forget_checkpoints()
    assert lab.run("customers") == 0
    assert lab.both(CUSTOMERS) == (clickhouse, warehouse)
    assert lab.reread("customers", "earliest") == 0
    assert lab.both(CUSTOMERS) == (clickhouse, warehouse)
    after = lab.both("SELECT DISTINCT id, _version, _is_deleted FROM RAW.customers ORDER BY id, _version")
    assert after[1] == before[1]
    assert {tuple(row.values()) for row in after[0]} == {tuple(row.values()) for row in before[0]}


def test_tables_that_share_a_stream_get_their_own_derived_columns(lab, rows):
    lab.send("public.orders", "c", rows.order)
    lab.send("public.orders", "c", {**rows.order, "id": 2, "discount": None, "shipped_on": None})
    lab.send("public.order_items", "c", rows.item)
    lab.send("public.order_items", "c", {**rows.item, "line_no": 2, "options": ["x"]})
    assert lab.run("orders") == 0

    clickhouse, warehouse = lab.both(
        "SELECT id, order_no, total_amount, discount, net_amount, shipped_on, currency "
        "FROM VIEW.orders_fact ORDER BY id"
    )
    assert clickhouse == warehouse
    assert [row["net_amount"] for row in warehouse] == [Decimal("87.587500"), Decimal("100.100000")]
    # The two clients differ in how they show a moment, so it is compared as a number.
    micros = lab.clickhouse("SELECT toUnixTimestamp64Micro(ordered_at) AS at FROM VIEW.orders_fact")
    same = lab.warehouse(
        "SELECT (extract(epoch FROM ordered_at) * 1000000)::bigint AS at FROM VIEW.orders_fact"
    )
    assert micros == same == [{"at": 1_767_323_045_000_001}] * 2
    clickhouse, warehouse = lab.both(
        "SELECT order_id, line_no, line_total, options FROM VIEW.order_items ORDER BY line_no"
    )
    assert clickhouse == warehouse
    assert [(row["line_total"], row["options"]) for row in warehouse] == [
        (Decimal("37.50"), None),
        (Decimal("37.50"), ["x"]),
    ]


@pytest.mark.parametrize("by_tasks", [True, False], ids=["by tasks", "by the driver"])
def test_a_table_without_derived_columns_is_parsed_and_written_in_one_step(lab, rows, by_tasks, monkeypatch):
    if by_tasks:
        monkeypatch.setattr(batch_records, "HERE", 0)
        monkeypatch.setattr(batch_records, "FEW", 0)
    # A snapshot's date has two meanings, so the source is asked.
    lab.source("GRANT SELECT ON orders TO debezium")
    document = lab.pipeline.model_dump(by_alias=True)
    document["tables"] = [{**table, "derived": ()} for table in document["tables"]]
    lab.pipeline = Pipeline.model_validate(document)
    for number in range(1, 6):
        lab.send("public.order_items", "c", {**rows.item, "order_id": number})
        lab.send("public.orders", "r", {**rows.order, "id": number})
    lab.send("public.order_items", "u", {**rows.item, "order_id": 2, "quantity": 9})
    lab.send("public.order_items", "d", {"order_id": 3, "line_no": 1})
    lab.send_raw("public.order_items", b"{}", b"no JSON")
    assert lab.run("orders") == 0
    expected = [{"order_id": number, "quantity": 9 if number == 2 else 3} for number in (1, 2, 4, 5)]
    query = "SELECT order_id, quantity FROM VIEW.order_items ORDER BY order_id"
    assert lab.both(query) == (expected, expected)
    assert [len(found) for found in lab.both("SELECT id FROM VIEW.orders_fact")] == [5, 5]
    letters = lab.ops.dead_letters(lab.pipeline.name, "order_items")
    assert {(letter.sink, letter.value) for letter in letters} == {
        ("clickhouse", b"no JSON"),
        ("warehouse", b"no JSON"),
    }

    lab.truncate("public.order_items")
    lab.send("public.order_items", "c", {**rows.item, "order_id": 7})
    assert lab.run("orders") == 0
    assert lab.both(query) == ([{"order_id": 7, "quantity": 3}], [{"order_id": 7, "quantity": 3}])


def test_a_local_checkpoint_is_files_alone_and_those_of_hadoops_checksums_are_read_on(lab, rows):
    lab.send("public.customers", "c", rows.customer)
    assert lab.run("customers", sinks=("warehouse",)) == 0
    (offsets,) = (path.parent for path in lab.checkpoints.rglob("offsets/0"))
    assert {path.name for path in offsets.iterdir()} == {"0"}
    # As a driver that wrote checksums has left it: they are neither needed nor in the way.
    (offsets / ".0.crc").write_bytes(b"crc\0\0\0\2\0stale")
    lab.send("public.customers", "c", {**rows.customer, "id": 2})
    assert lab.run("customers", sinks=("warehouse",)) == 0
    assert {path.name for path in offsets.iterdir()} == {"0", "1", ".0.crc"}
    assert lab.warehouse("SELECT id FROM VIEW.customers ORDER BY id") == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize(
    ("records", "others", "by_the_driver"),
    [
        pytest.param(batch_records.HERE - 1, 0, True, id="a small batch"),
        pytest.param(batch_records.HERE, 0, False, id="a large batch"),
        pytest.param(batch_records.FEW, batch_records.HERE, False, id="many of a large batch"),
        pytest.param(batch_records.FEW - 1, batch_records.HERE, True, id="few of a large batch"),
    ],
)
def test_only_many_records_of_a_large_batch_are_a_job(lab, records, others, by_the_driver):
    ranges = BatchRanges({}, {"t": {0: records}, "others": {0: others}})
    (process,) = RangeRecords(lab.spark, "no:1", ranges).summaries(
        "t", lambda _: iter([pa.RecordBatch.from_pydict({"summary": [str(os.getpid())]})])
    )
    assert (process == str(os.getpid())) is by_the_driver


def test_a_truncate_hides_the_rows_before_it_and_none_after_it(lab, rows):
    for number in (1, 2, 3, 4):
        lab.send("public.customers", "c", {**rows.customer, "id": number})
    lab.truncate("public.customers")
    lab.send("public.customers", "c", {**rows.customer, "id": 2})
    assert lab.run("customers") == 0
    clickhouse, warehouse = lab.both("SELECT id FROM VIEW.customers ORDER BY id")
    assert clickhouse == warehouse == [{"id": 2}]
    assert lab.ops.truncate_floor(lab.pipeline.name, "customers") == (1, 1004)


def test_a_bounded_read_writes_what_lies_between_its_ends(lab, rows):
    for number in (3, 6, 9, 12):  # all in partition 0
        lab.send("public.customers", "c", {**rows.customer, "id": number})
    topic = lab.topic("public.customers")
    assert lab.reread("customers", f"{topic}:0:1", f"{topic}:0:3") == 0
    clickhouse, warehouse = lab.both("SELECT id FROM VIEW.customers ORDER BY id")
    assert clickhouse == warehouse == [{"id": 6}, {"id": 9}]
    assert lab.warehouse("SELECT * FROM RAW._ledger") == []
    assert lab.reread("customers", "2020-01-01T00:00:00Z") == 0
    assert len(lab.clickhouse("SELECT id FROM VIEW.customers")) == 4
