"""What cannot be written is kept, told, and never in the way of anything else."""

from __future__ import annotations

import pytest

from cdc.clients.kafka import KafkaClient
from cdc.errors import TransientError
from cdc_spark.batch import BatchProcessor
from cdc_spark.contexts import QueryContext
from cdc_spark.readers.checkpoint import BatchRanges


def test_bad_events_become_dead_letters_and_the_others_go_on(lab, rows):
    lab.send("public.customers", "c", rows.customer)
    lab.send_raw("public.customers", b'{"id": 2}', b"\xff\x00 no JSON")
    lab.send_raw("public.customers", None, lab.event("public.customers", "c", {**rows.customer, "id": 3}))
    lab.send("public.customers", "c", {**rows.customer, "id": 4, "created_at": "2300-01-01T00:00:00Z"})
    lab.send("public.customers", "c", {**rows.customer, "id": 5, "surprise": 1})
    lab.send("public.customers", "c", {**rows.customer, "id": 7, "email": None})
    lab.send("public.customers", "c", {**rows.customer, "id": 8})
    assert lab.run("customers") == 0

    assert lab.clickhouse("SELECT id FROM VIEW.customers ORDER BY id") == [{"id": 1}, {"id": 8}]
    # The warehouse holds days that ClickHouse does not.
    assert lab.warehouse("SELECT id FROM VIEW.customers ORDER BY id") == [{"id": 1}, {"id": 4}, {"id": 8}]

    letters = lab.ops.dead_letters(lab.pipeline.name, "customers", "clickhouse")
    said = " | ".join(letter.message for letter in letters)
    for word in ("expected JSON", "no key", "2299", "'surprise'", "'email'"):
        assert word in said
    assert len(letters) == 5
    raw = next(letter for letter in letters if "expected JSON" in letter.message)
    assert (raw.key, raw.value, raw.error_class) == (b'{"id": 2}', b"\xff\x00 no JSON", "DataError")
    assert raw.headers == [["h", "1"]]
    assert lab.ops.open_dead_letters(lab.pipeline.name, "customers", "warehouse") == 4
    assert lab.ops.parked(lab.pipeline.name) == []
    newest = {item.sink: item for item in lab.ops.latest_progress(lab.pipeline.name)}
    assert newest["clickhouse"].dead_letters == 5
    assert newest["clickhouse"].error_rate == 5 / 7


def test_a_changed_table_is_parked_alone_and_comes_back_complete(lab, rows):
    lab.send("public.order_items", "c", rows.item)
    assert lab.run("orders") == 0
    for number in (2, 3, 4, 5):
        lab.send("public.order_items", "c", {**rows.item, "order_id": number, "gift": True})
    lab.send("public.orders", "c", rows.order)
    assert lab.run("orders") == 0

    parked = lab.ops.parked(lab.pipeline.name)
    assert {(item.table, item.sink) for item in parked} == {
        ("order_items", "clickhouse"),
        ("order_items", "warehouse"),
    }
    assert "'gift'" in parked[0].reason
    assert parked[0].offsets == {0: 0, 1: 1, 2: 0}
    assert lab.ops.dead_letters(lab.pipeline.name) == []
    assert lab.both("SELECT id FROM VIEW.orders_fact") == ([{"id": 1}], [{"id": 1}])

    lab.send("public.order_items", "c", {**rows.item, "order_id": 9})
    lab.send("public.orders", "c", {**rows.order, "id": 2})
    assert lab.run("orders") == 0
    assert lab.both("SELECT order_id FROM VIEW.order_items") == ([{"order_id": 1}], [{"order_id": 1}])
    assert len(lab.warehouse("SELECT id FROM VIEW.orders_fact")) == 2

    # The source got its old shape back: what came since is read again from where the table was parked.
    assert lab.resume("public.order_items") == 0
    assert lab.ops.parked(lab.pipeline.name) == []
    expected = [{"order_id": 1}, {"order_id": 9}]
    query = "SELECT order_id FROM VIEW.order_items ORDER BY order_id"
    assert lab.both(query) == (expected, expected)
    assert lab.ops.open_dead_letters(lab.pipeline.name, "order_items", "warehouse") == 4


def test_a_batch_with_dead_letters_waits_for_the_ops_store(lab, rows):
    lab.send("public.customers", "c", rows.customer)
    prepared = lab.prepared("customers", once=True, sinks=("warehouse",))
    topic = lab.topic("public.customers")
    kafka = KafkaClient(lab.connections.get("cdc_kafka").bootstrap_servers())
    context = QueryContext(
        prepared.pipeline, prepared.stream, prepared.sinks[0], "q", prepared.connections,
        lab.ops.generations([topic]), None, 20.0,
    )  # fmt: skip
    processor = BatchProcessor(context, prepared.job, lab.ops)
    assert lab.producer.flush(30) == 0
    first = kafka.end_offsets([topic])
    assert processor.process(lab.spark, BatchRanges({}, first))["customers"].inserted == 1
    lab.send("public.customers", "u", rows.customer)
    lab.send_raw("public.customers", b'{"id": 2}', b"no JSON")
    assert lab.producer.flush(30) == 0
    second = BatchRanges(first, kafka.end_offsets([topic]))
    lab.servers.stop("control")
    try:
        with pytest.raises(TransientError, match="ops store"):
            processor.process(lab.spark, second)
    finally:
        lab.servers.start("control")
    assert lab.run("customers", sinks=("warehouse",)) == 0
    assert lab.ops.open_dead_letters(lab.pipeline.name, "customers", "warehouse") == 1
