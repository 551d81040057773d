"""A topic that was made anew, or has lost what was not read: refused, until its generation is raised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from cdc.clients.kafka import KafkaClient
from cdc.services.topics import Raised, raise_generation, topics_made_anew
from cdc.spec import Pipeline
from cdc_spark.main import query_plans
from cdc_spark.readers.checkpoint import Beginning, OffsetLog
from tests.spark.waiting import wait_for

CUSTOMERS = "public.customers"
ITEMS = "public.order_items"


def make_anew(lab, topic):
    admin = AdminClient({"bootstrap.servers": lab.connections.get("cdc_kafka").bootstrap_servers()})
    kafka = KafkaClient(lab.connections.get("cdc_kafka").bootstrap_servers())
    before = kafka.topic_identity(topic)
    admin.delete_topics([topic])[topic].result(30)
    wait_for(lambda: kafka.topic_identity(topic) is None, 60)
    kafka.create_topic(topic, 3, 3_600_000)
    wait_for(lambda: (found := kafka.topic_identity(topic)) is not None and found != before, 60)


def raise_(lab, source):
    kafka = KafkaClient(lab.connections.get("cdc_kafka").bootstrap_servers())
    topic = lab.topic(source)
    ends = kafka.end_offsets([topic], "read_uncommitted")[topic]
    earliest = kafka.earliest_offsets([topic])[topic]
    actual = kafka.topic_identity(topic)
    assert actual is not None
    return raise_generation(lab.pipeline, lab.pipeline.table(source), actual, ends, earliest, 0, lab.ops)


@pytest.mark.parametrize("more", [1, 5], ids=["fewer events than were read", "more events than were read"])
def test_a_topic_that_was_made_anew_is_read_from_its_beginning(lab, rows, more, capsys):
    for number in range(3, 10, 3):
        lab.send(CUSTOMERS, "c", {**rows.customer, "id": number, "phone": "before"})
    assert lab.run("customers") == 0
    topic = lab.topic(CUSTOMERS)
    make_anew(lab, topic)
    lab.send(CUSTOMERS, "u", {**rows.customer, "id": 3, "phone": "after"})
    for number in range(12, 12 + 3 * more, 3):
        lab.send(CUSTOMERS, "c", {**rows.customer, "id": number, "phone": "after"})
    assert lab.run("customers") != 0
    assert "cdc generation raise" in capsys.readouterr().out

    kafka = KafkaClient(lab.connections.get("cdc_kafka").bootstrap_servers())
    assert set(topics_made_anew(lab.pipeline, kafka, lab.ops)) == {topic}
    assert raise_(lab, CUSTOMERS) == Raised(2, (), {}, ("clickhouse", "warehouse"))
    assert topics_made_anew(lab.pipeline, kafka, lab.ops) == {}
    assert all(topic not in progress.until_offsets for progress in lab.ops.latest_progress(lab.pipeline.name))
    assert lab.run("customers") == 0
    expected = [{"id": 3, "phone": "after"}, {"id": 6, "phone": "before"}, {"id": 9, "phone": "before"}]
    expected += [{"id": number, "phone": "after"} for number in range(12, 12 + 3 * more, 3)]
    query = "SELECT id, phone FROM VIEW.customers ORDER BY id"
    assert lab.both(query) == (expected, expected)
    progress = lab.ops.latest_progress(lab.pipeline.name)
    assert [p.until_offsets[topic][0] for p in progress] == [1 + more] * 2

    # The new checkpoint goes on like any other.
    lab.send(CUSTOMERS, "d", {**rows.customer, "id": 6})
    assert lab.run("customers") == 0
    del expected[1]
    assert lab.both(query) == (expected, expected)


def test_the_other_topics_of_the_stream_go_on_where_they_were(lab, rows):
    for number in (3, 6):
        lab.send("public.orders", "c", {**rows.order, "id": number})
        lab.send("public.order_items", "c", {**rows.item, "order_id": number})
    assert lab.run("orders", sinks=("warehouse",)) == 0
    # What the query has read of it is gone by now, and missed by nobody.
    lab.delete_records("public.order_items", 0, 2)
    make_anew(lab, lab.topic("public.orders"))
    lab.send("public.orders", "c", {**rows.order, "id": 9})
    lab.send("public.order_items", "c", {**rows.item, "order_id": 9})
    assert lab.producer.flush(30) == 0
    raise_(lab, "public.orders")
    assert lab.run("orders", sinks=("warehouse",)) == 0
    assert lab.warehouse("SELECT id FROM VIEW.orders_fact ORDER BY id") == [{"id": n} for n in (3, 6, 9)]
    assert lab.warehouse("SELECT order_id FROM VIEW.order_items ORDER BY order_id") == [
        {"order_id": n} for n in (3, 6, 9)
    ]
    (progress,) = lab.ops.latest_progress(lab.pipeline.name)
    assert {t: parts[0] for t, parts in progress.until_offsets.items()} == {
        lab.topic("public.orders"): 1,
        lab.topic("public.order_items"): 3,
    }


def test_what_kafka_has_lost_stops_a_query_until_its_generation_is_closed(lab, rows, capsys):
    lab.send(CUSTOMERS, "c", {**rows.customer, "id": 3})
    assert lab.run("customers", sinks=("warehouse",)) == 0
    for number in (6, 9):
        lab.send(CUSTOMERS, "c", {**rows.customer, "id": number})
    assert lab.producer.flush(30) == 0
    lab.delete_records(CUSTOMERS, 0, 2)
    assert lab.run("customers", sinks=("warehouse",)) != 0
    assert "cdc generation raise" in capsys.readouterr().out

    # The other sink has read nothing yet, and begins behind what is gone.
    assert raise_(lab, CUSTOMERS).missing == ("clickhouse", "warehouse")
    lab.send(CUSTOMERS, "c", {**rows.customer, "id": 12})
    assert lab.run("customers", sinks=("warehouse",)) == 0
    # Of what was lost the reconciliation tells.
    assert lab.warehouse("SELECT id FROM VIEW.customers ORDER BY id") == [{"id": n} for n in (3, 9, 12)]


def test_a_sink_that_begins_behind_what_kafka_has_removed_has_a_gap(lab, rows):
    for number in (3, 6, 9):
        lab.send(CUSTOMERS, "c", {**rows.customer, "id": number})
    assert lab.run("customers", sinks=("warehouse",)) == 0
    assert lab.ops.open_gaps(lab.pipeline.name) == {}
    lab.delete_records(CUSTOMERS, 0, 2)
    assert lab.run("customers") == 0
    assert list(lab.ops.open_gaps(lab.pipeline.name)) == [("customers", "clickhouse")]
    assert lab.ops.close_gaps(lab.pipeline.name, "customers", ["clickhouse"], lab.ops.clock())
    # A sink that has lost its checkpoint alone has read what is gone.
    lab.forget_checkpoints()
    assert lab.run("customers") == 0
    assert lab.ops.open_gaps(lab.pipeline.name) == {}


def moved(lab, source, stream):
    tables = tuple(
        # The job of another stream adds no columns.
        table.model_copy(update={"stream": stream, "derived": ()}) if table.source == source else table
        for table in lab.pipeline.tables
    )
    document = lab.pipeline.model_copy(update={"tables": tables}).model_dump(by_alias=True)
    return replace(lab, pipeline=Pipeline.model_validate(document))


def test_a_table_that_moves_to_another_stream_and_back_is_read_on(lab, rows):
    def send_item(order):
        lab.send(ITEMS, "c", {**rows.item, "order_id": order})

    def items():
        return [row["order_id"] for row in lab.warehouse("SELECT order_id FROM VIEW.order_items ORDER BY 1")]

    send_item(3)
    assert lab.run("orders", sinks=("warehouse",)) == 0
    apart = moved(lab, ITEMS, "items")
    send_item(6)
    lab.send("public.orders", "c", {**rows.order, "id": 3})
    assert apart.run("orders", sinks=("warehouse",)) == 0
    assert lab.warehouse("SELECT id FROM VIEW.orders_fact") == [{"id": 3}]
    assert items() == [3]
    assert apart.run("items", sinks=("warehouse",)) == 0
    assert items() == [3, 6]

    # What the other query has read is missed by nobody.
    lab.delete_records(ITEMS, 0, 2)
    send_item(9)
    assert lab.run("orders", sinks=("warehouse",)) == 0
    assert items() == [3, 6, 9]


def test_a_driver_that_dies_before_its_first_batch_leaves_where_that_begins(lab, rows):
    for number in (3, 6):
        lab.send(CUSTOMERS, "c", {**rows.customer, "id": number})
    (plan,) = query_plans(lab.prepared("customers", sinks=("warehouse",)), str(lab.checkpoints))
    begins = {lab.topic(CUSTOMERS): {0: 1, 1: 0, 2: 0}}
    ids = lab.ops.generations([lab.topic(CUSTOMERS)]).topic_ids
    OffsetLog(lab.spark, plan.checkpoint).keep_beginning(Beginning(ids, begins))
    assert lab.run("customers", sinks=("warehouse",)) == 0
    assert lab.warehouse("SELECT id FROM VIEW.customers") == [{"id": 6}]


def test_a_driver_that_dies_while_it_replaces_a_checkpoint_leaves_one_of_the_two(lab, rows):
    def send(*numbers):
        for number in numbers:
            lab.send(CUSTOMERS, "c", {**rows.customer, "id": number})

    def customers():
        return [row["id"] for row in lab.warehouse("SELECT id FROM VIEW.customers ORDER BY id")]

    def keep_next(first):
        beginning = Beginning(ids, {topic: {0: first, 1: 0, 2: 0}})
        OffsetLog(lab.spark, following).keep_beginning(beginning)

    topic = lab.topic(CUSTOMERS)
    ids = lab.ops.generations([topic]).topic_ids
    (plan,) = query_plans(lab.prepared("customers", sinks=("warehouse",)), str(lab.checkpoints))
    following = f"{plan.checkpoint}.next"
    send(3)
    assert lab.run("customers", sinks=("warehouse",)) == 0
    keep_next(2)
    send(6, 9)
    assert lab.run("customers", sinks=("warehouse",)) == 0
    assert customers() == [3, 6, 9]
    assert not Path(following).exists()

    keep_next(4)
    Path(plan.checkpoint).rename(f"{plan.checkpoint}.aside")
    send(12, 15)
    assert lab.run("customers", sinks=("warehouse",)) == 0
    assert customers() == [3, 6, 9, 15]
    assert not Path(following).exists()
