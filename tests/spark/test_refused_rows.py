"""A row that only a sink refuses is a dead letter of that sink; the rows around it arrive."""

from __future__ import annotations

import random
import string


def long_text(length: int) -> str:
    return "".join(random.Random(7).choices(string.ascii_letters, k=length))


def test_rules_of_a_sink_set_single_rows_aside_there(lab, rows):
    lab.alter_warehouse("ALTER TABLE RAW.customers ADD CHECK (tier <> 'gold' OR phone IS NOT NULL)")
    lab.alter_warehouse("CREATE INDEX ON RAW.customers (full_name)")
    lab.alter_warehouse("ALTER TABLE RAW.customers ADD UNIQUE (external_id) DEFERRABLE INITIALLY DEFERRED")
    lab.alter_clickhouse("ALTER TABLE RAW.customers MODIFY COLUMN full_name FixedString(20)")
    ids = {number: f"6f9619ff-8b86-d011-b42d-{number:012}" for number in range(1, 40)}
    for number, external in ids.items():
        lab.send(
            "public.customers", "c",
            {**rows.customer, "id": number, "phone": "1", "external_id": external, "tier": "gold"},
        )  # fmt: skip
    lab.send("public.customers", "c", {**rows.customer, "id": 50, "phone": None})
    lab.send("public.customers", "c", {**rows.customer, "id": 51, "phone": "1", "full_name": long_text(9000)})
    twin = {**rows.customer, "id": 52, "phone": "1", "external_id": ids[7]}
    lab.send("public.customers", "c", twin)
    other = {"id": 300, "phone": "1", "external_id": "6f9619ff-8b86-d011-b42d-00000000aaaa"}
    lab.send("public.customers", "c", {**rows.customer, **other, "full_name": "longer than twenty bytes"})
    lab.send("public.customers", "d", {"id": 3})
    assert lab.run("customers") == 0

    expected = [*(number for number in ids if number != 3), 300]
    found = lab.warehouse("SELECT id FROM VIEW.customers ORDER BY id")
    assert [row["id"] for row in found] == expected
    letters = lab.ops.dead_letters(lab.pipeline.name, sink="warehouse")
    said = sorted((x.key, x.error_class, x.message) for x in letters)
    assert [(key, kind) for key, kind, _ in said] == [
        (b'{"id": 50}', "RefusedError"),
        (b'{"id": 51}', "RefusedError"),
        (b'{"id": 52}', "RefusedError"),
    ]
    for (_, _, message), word in zip(said, ("check constraint", "index row", "external_id"), strict=True):
        assert word in message
        assert "customers: PostgreSQL said" in message
    letters = lab.ops.dead_letters(lab.pipeline.name, sink="clickhouse")
    assert {(x.key, x.error_class) for x in letters} == {
        (b'{"id": 51}', "RefusedError"),
        (b'{"id": 300}', "RefusedError"),
    }
    assert all("FixedString(20)" in x.message for x in letters)
    assert len(lab.clickhouse("SELECT id FROM VIEW.customers")) == 38 + 2

    done = {item.sink: item for item in lab.ops.latest_progress(lab.pipeline.name)}
    assert (done["warehouse"].inserted, done["warehouse"].deleted) == (40, 1)
    assert (done["warehouse"].dead_letters, done["clickhouse"].dead_letters) == (3, 2)
    topic = lab.topic("public.customers")
    ledger = lab.warehouse("SELECT partition, until_offset FROM RAW._ledger ORDER BY partition")
    assert {row["partition"]: row["until_offset"] for row in ledger} == done["warehouse"].until_offsets[topic]
    assert lab.ops.parked(lab.pipeline.name) == []

    lab.alter_warehouse("ALTER TABLE RAW.customers DROP CONSTRAINT customers_check")
    assert lab.replay("customers") == 0
    assert lab.ops.count_dead_letters(lab.pipeline.name) == {
        ("customers", "warehouse"): 2,
        ("customers", "clickhouse"): 2,
    }
    assert lab.warehouse("SELECT _op FROM VIEW.customers WHERE id = 50") == [{"_op": "INSERT"}]


def test_a_table_of_which_every_row_is_refused_is_parked_alone(lab, rows):
    lab.alter_warehouse("ALTER TABLE RAW.order_items ADD CHECK (quantity < 0)")
    for number in range(1, 8):
        lab.send("public.order_items", "c", {**rows.item, "order_id": number})
    lab.send("public.orders", "c", rows.order)
    assert lab.run("orders") == 0
    (parked,) = lab.ops.parked(lab.pipeline.name)
    assert (parked.table, parked.sink) == ("order_items", "warehouse")
    assert "check constraint" in parked.reason
    assert lab.ops.dead_letters(lab.pipeline.name) == []
    assert len(lab.clickhouse("SELECT order_id FROM VIEW.order_items")) == 7
    assert lab.both("SELECT id FROM VIEW.orders_fact") == ([{"id": 1}], [{"id": 1}])

    lab.alter_warehouse("ALTER TABLE RAW.order_items DROP CONSTRAINT order_items_quantity_check")
    assert lab.resume("public.order_items") == 0
    assert len(lab.warehouse("SELECT order_id FROM VIEW.order_items")) == 7
    assert lab.ops.parked(lab.pipeline.name) == []


def test_more_refused_rows_than_are_told_one_by_one_park_the_table(lab, rows):
    lab.alter_warehouse("ALTER TABLE RAW.order_items ADD CHECK (quantity < 5)")
    for number in range(1, 1000):
        quantity = 3 if number % 4 == 0 else 7
        lab.send(
            "public.order_items", "c", {**rows.item, "order_id": 3, "line_no": number, "quantity": quantity}
        )
    assert lab.run("orders", sinks=("warehouse",)) == 0
    (parked,) = lab.ops.parked(lab.pipeline.name)
    assert parked.offsets[0] == 0
    assert lab.ops.dead_letters(lab.pipeline.name) == []
    lab.alter_warehouse("ALTER TABLE RAW.order_items DROP CONSTRAINT order_items_quantity_check")
    assert lab.resume("public.order_items") == 0
    assert lab.warehouse("SELECT count(*) AS n FROM VIEW.order_items") == [{"n": 999}]
