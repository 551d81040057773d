"""Dead letters and parked tables come back: with the original versions, twice, and after an interruption."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cdc.errors import GenerationError, SchemaChangedError, UnavailableError
from cdc.model.generations import GenerationEntry, Generations
from cdc.ops import BatchProgress
from cdc.services.parked_tables import park_table
from cdc_spark.batch import BatchProcessor
from cdc_spark.contexts import QueryContext
from cdc_spark.main import drive
from cdc_spark.readers.checkpoint import BatchRanges
from tests.spark.waiting import wait_for


def refuse(lab, rule: str) -> None:
    lab.alter_warehouse(f"ALTER TABLE RAW.customers ADD CONSTRAINT rule CHECK ({rule})")


def allow(lab) -> None:
    lab.alter_warehouse("ALTER TABLE RAW.customers DROP CONSTRAINT rule")


def test_a_replay_never_overwrites_newer_rows_and_keeps_what_fails_again(lab, rows):
    refuse(lab, "phone IS DISTINCT FROM 'bad'")
    for number in (3, 6, 9, 12):
        lab.send("public.customers", "c", {**rows.customer, "id": number, "phone": "first"})
    lab.send("public.customers", "u", {**rows.customer, "id": 3, "phone": "bad"})
    lab.send("public.customers", "u", {**rows.customer, "id": 6, "phone": "bad"})
    assert lab.run("customers") == 0
    lab.send("public.customers", "u", {**rows.customer, "id": 6, "phone": "newest"})
    lab.send_raw("public.customers", b'{"id": 9}', b"no JSON")
    assert lab.run("customers") == 0
    assert lab.ops.count_dead_letters(lab.pipeline.name) == {
        ("customers", "clickhouse"): 1,
        ("customers", "warehouse"): 3,
    }
    assert lab.replay("customers") == 0
    assert lab.ops.open_dead_letters(lab.pipeline.name, "customers", "warehouse") == 3

    allow(lab)
    query = "SELECT id, phone, _version FROM VIEW.customers ORDER BY id"
    for _ in range(2):
        assert lab.replay("customers") == 0
        (letter,) = lab.ops.dead_letters(lab.pipeline.name, sink="warehouse")
        assert (letter.key, letter.error_class) == (b'{"id": 9}', "DataError")
        clickhouse, warehouse = lab.both(query)
        assert clickhouse == warehouse
        assert [row["phone"] for row in warehouse] == ["bad", "newest", "first", "first"]
    assert lab.warehouse("SELECT count(*) AS n FROM RAW._ledger") == [{"n": 1}]
    newest = lab.ops.dead_letters(lab.pipeline.name, sink="warehouse", only_open=False)
    assert [x.replayed_at is not None for x in newest] == [True, True, False]


def test_a_replay_waits_for_the_exchange_of_its_table(lab, rows):
    refuse(lab, "phone IS DISTINCT FROM 'bad'")
    lab.send("public.customers", "c", {**rows.customer, "id": 3, "phone": "bad"})
    assert lab.run("customers") == 0
    allow(lab)
    waiting = "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with ThreadPoolExecutor(1) as pool:
        with lab.ops.exchanging(lab.pipeline.name, "customers"):
            replayed = pool.submit(lab.replay, "customers")
            wait_for(lambda: replayed.done() or lab.ops.one(waiting) == {"n": 1}, 60)
            assert lab.ops.open_dead_letters(lab.pipeline.name, "customers", "warehouse") == 1
        assert replayed.result(120) == 0
    assert lab.ops.open_dead_letters(lab.pipeline.name, "customers", "warehouse") == 0
    assert lab.warehouse("SELECT phone FROM VIEW.customers") == [{"phone": "bad"}]


def test_a_letter_of_a_topics_earlier_life_loses_against_the_newer_one(lab, rows):
    lab.send("public.customers", "c", {**rows.customer, "id": 3, "phone": "bad"})
    refuse(lab, "phone IS DISTINCT FROM 'bad'")
    assert lab.run("customers", sinks=("warehouse",)) == 0
    (letter,) = lab.ops.dead_letters(lab.pipeline.name)
    topic = lab.topic("public.customers")
    identity = lab.ops.topic_identity(topic)
    # As after `cdc generation raise` on a topic that was made anew: the new row's offset is lower.
    lab.ops.raise_generation(identity, {0: 1, 1: 0, 2: 0})
    lab.send("public.customers", "u", {**rows.customer, "id": 3, "phone": "new"})
    assert lab.run("customers", sinks=("warehouse",)) == 0
    later = replace(letter, offset=letter.offset + 1000)
    lab.ops.add_dead_letters([later])
    allow(lab)
    assert lab.replay("customers") == 0
    assert lab.ops.count_dead_letters(lab.pipeline.name) == {}
    assert lab.warehouse("SELECT phone FROM VIEW.customers") == [{"phone": "new"}]


def test_a_replay_that_is_cut_short_is_taken_up_again(lab, rows):
    refuse(lab, "phone IS NOT NULL")
    lab.send("public.customers", "c", {**rows.customer, "id": 3, "phone": "1"})
    lab.send("public.customers", "c", {**rows.customer, "id": 6})
    assert lab.run("customers", sinks=("warehouse",)) == 0
    allow(lab)
    lab.servers.stop("warehouse")
    try:
        with pytest.raises(UnavailableError):
            lab.replay("customers")
        assert lab.ops.open_dead_letters(lab.pipeline.name, "customers", "warehouse") == 1
    finally:
        lab.servers.start("warehouse")
    assert lab.replay("customers") == 0
    assert lab.ops.open_dead_letters(lab.pipeline.name, "customers", "warehouse") == 0
    assert lab.warehouse("SELECT id FROM VIEW.customers ORDER BY id") == [{"id": 3}, {"id": 6}]


def test_a_table_that_a_person_parks_and_resumes_under_a_running_stream_loses_nothing(lab, rows):
    """Events keep coming while the table is parked, released and taken up again."""
    query = "SELECT count(*) AS n FROM VIEW.customers"
    prepared = lab.prepared("customers", sinks=("warehouse",))
    driver = threading.Thread(target=lambda: drive(prepared, str(lab.checkpoints)), daemon=True)
    ended = threading.Event()
    sent: list[int] = []

    def batches() -> list[BatchProgress]:
        return list(lab.ops.progress_history(prepared.stream.query_name("warehouse"), limit=10_000))

    def write() -> None:
        while not ended.wait(0.01):
            sent.append(len(sent) + 1)
            lab.send("public.customers", "c", {**rows.customer, "id": sent[-1]})
            lab.producer.poll(0)

    writer = threading.Thread(target=write, daemon=True)
    driver.start()
    writer.start()
    try:
        wait_for(lambda: lab.warehouse(query)[0]["n"] > 20, 90)
        park_table(lab.pipeline, lab.pipeline.table("customers"), ("warehouse",), "maintenance", lab.ops)
        parked_at = datetime.now(UTC)
        # The batch that was under way has ended, and later ones have passed the table over.
        wait_for(lambda: sum(b.started_at > parked_at for b in batches()) > 1, 90)
        held, seen = lab.warehouse(query), len(batches())
        wait_for(lambda: len(batches()) > seen + 1, 90)
        assert lab.warehouse(query) == held
        assert lab.resume("public.customers") == 0
        assert lab.ops.parked(lab.pipeline.name) == []
        goal = len(sent)
        wait_for(lambda: lab.warehouse(query)[0]["n"] >= goal, 90)
    finally:
        ended.set()
        writer.join(120)
        lab.producer.flush(30)
    try:
        wait_for(lambda: lab.warehouse(query)[0]["n"] == len(sent), 90)
    finally:
        lab.ops.request_stop(lab.pipeline.name, "customers")
        driver.join(120)
    assert lab.warehouse("SELECT count(DISTINCT id) AS n FROM RAW.customers") == [{"n": len(sent)}]


def test_a_resume_that_died_half_way_is_taken_up_again(lab, rows):
    lab.send("public.customers", "c", {**rows.customer, "id": 3})
    assert lab.run("customers", sinks=("warehouse",)) == 0
    park_table(lab.pipeline, lab.pipeline.table("customers"), ("warehouse",), "maintenance", lab.ops)
    lab.send("public.customers", "c", {**rows.customer, "id": 6})
    assert lab.run("customers", sinks=("warehouse",)) == 0
    (parked,) = lab.ops.parked(lab.pipeline.name)
    assert parked.offsets == {0: 1, 1: 0, 2: 0}
    # A watermark or a reconciliation would wait for a batch that never comes, where no later event does.
    (newest,) = lab.ops.latest_progress(lab.pipeline.name, "customers", "warehouse")
    assert (newest.input_rows, sum(newest.until_offsets[lab.topic("public.customers")].values())) == (0, 2)
    # It had released the table and then died: what was skipped is still missing, and the table still listed.
    assert lab.ops.release(lab.pipeline.name, parked, parked.offsets)
    lab.send("public.customers", "c", {**rows.customer, "id": 9})
    assert lab.run("customers", sinks=("warehouse",)) == 0
    assert lab.warehouse("SELECT id FROM VIEW.customers ORDER BY id") == [{"id": 3}, {"id": 9}]
    assert lab.resume("public.customers") == 0
    assert lab.resume("public.customers") == 0
    assert [row["id"] for row in lab.warehouse("SELECT id FROM VIEW.customers ORDER BY id")] == [3, 6, 9]
    assert lab.ops.parked(lab.pipeline.name) == []


def test_a_table_whose_events_still_do_not_fit_stays_parked(lab, rows):
    for number in (3, 6, 9, 12):
        lab.send("public.customers", "c", {**rows.customer, "id": number, "new": 1})
    assert lab.run("customers") == 0
    before = lab.ops.parked(lab.pipeline.name)
    with pytest.raises(SchemaChangedError, match="'new'"):
        lab.resume("public.customers")
    assert lab.ops.parked(lab.pipeline.name) == before


def test_events_that_kafka_has_removed_are_told(lab, rows):
    for number in (3, 6, 9, 12):
        lab.send("public.customers", "c", {**rows.customer, "id": number, "new": 1})
    lab.send("public.customers", "c", {**rows.customer, "id": 2})
    assert lab.run("customers", sinks=("warehouse",)) == 0
    park_table(lab.pipeline, lab.pipeline.table("customers"), ("warehouse",), "maintenance", lab.ops)
    lab.send("public.customers", "c", {**rows.customer, "id": 15})
    lab.send("public.customers", "c", {**rows.customer, "id": 18})
    assert lab.producer.flush(30) == 0
    lab.delete_records("public.customers", 0, 5)
    with pytest.raises(GenerationError, match="4 to 4 of partition 0"):
        lab.resume("public.customers")
    assert lab.ops.open_gaps(lab.pipeline.name) == {}
    assert lab.resume("public.customers", accept_loss=True) == 0
    assert list(lab.ops.open_gaps(lab.pipeline.name)) == [("customers", "warehouse")]
    assert [row["id"] for row in lab.warehouse("SELECT id FROM VIEW.customers ORDER BY id")] == [2, 18]


def test_parking_that_nobody_can_confirm_makes_its_events_wait(lab, rows):
    """Skipped while the ops store is away, an event might belong to a table that was resumed already."""
    lab.send("public.order_items", "c", rows.item)
    lab.send("public.orders", "c", rows.order)
    prepared = lab.prepared("orders")
    orders, items = lab.topic("public.orders"), lab.topic("public.order_items")
    entries = [GenerationEntry(topic, "t", p, 0, 1) for topic in (orders, items) for p in range(3)]
    context = QueryContext(
        prepared.pipeline, prepared.stream, lab.pipeline.sink("warehouse"), "q", prepared.connections,
        Generations.from_entries(entries), None, 20.0,
    )  # fmt: skip
    both = BatchRanges({}, {orders: {1: 1}, items: {1: 1}})
    processor = BatchProcessor(context, prepared.job, lab.ops)
    lab.ops.park(lab.pipeline.name, "order_items", "warehouse", "maintenance", {0: 0, 1: 0, 2: 0})
    assert set(processor.process(lab.spark, both)) == {"orders_fact"}
    lab.servers.stop("control")
    try:
        with pytest.raises(UnavailableError):
            processor.process(lab.spark, both)
        assert set(processor.process(lab.spark, BatchRanges({}, {orders: {1: 1}}))) == {"orders_fact"}
        with pytest.raises(UnavailableError):
            BatchProcessor(context, prepared.job, lab.ops).process(lab.spark, both)
    finally:
        lab.servers.start("control")
    (parked,) = lab.ops.parked(lab.pipeline.name)
    assert lab.ops.release(lab.pipeline.name, parked, parked.offsets)
    assert set(processor.process(lab.spark, both)) == {"orders_fact", "order_items"}
