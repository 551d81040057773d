"""Values that Debezium did not send again, with real sinks and a real source: both sinks show them."""

from __future__ import annotations

import json

import pytest

from cdc.model.toast import PLACEHOLDER as GONE

PARTIAL = {"email": GONE, "tags": [GONE], "preferences": GONE}
SHOWN = "SELECT id, full_name, email, email_normalized, tags, preferences FROM VIEW.customers ORDER BY id"
TABLE = "public.customers"
NOTHING: list[dict[str, object]] = []


@pytest.fixture
def shop(lab):
    """The lab with a readable source table that holds only what the test puts there."""
    lab.source("TRUNCATE customers, orders, order_items")
    lab.source("GRANT SELECT ON customers TO debezium")
    return lab


def at_source(lab, row):
    values = {**row, "tags": "{source}", "preferences": json.dumps({"lang": "source"})}
    names = ", ".join(values)
    marks = ", ".join(["%s"] * len(values))
    lab.source(f"INSERT INTO customers ({names}) VALUES ({marks})", tuple(values.values()))


def shown(lab):
    clickhouse, warehouse = lab.both(SHOWN)
    for row in clickhouse:
        row["preferences"] = json.loads(row["preferences"])
    assert clickhouse == warehouse
    return warehouse


def settled(lab):
    """The end state, after every event was written and also after the topic was read from its beginning."""
    now = shown(lab)
    lab.forget_checkpoints()
    assert lab.run("customers") == 0
    assert shown(lab) == now
    assert lab.reread("customers", "earliest") == 0
    assert shown(lab) == now
    assert lab.ops.dead_letters(lab.pipeline.name) == []
    return now


def test_partial_updates_after_the_snapshot_keep_the_sinks_values(shop, rows):
    for number in (1, 2, 3):
        shop.send(TABLE, "r", {**rows.customer, "id": number, "email": f" Mail{number}@X.org"})
    assert shop.run("customers") == 0
    shop.send(TABLE, "u", {**rows.customer, "id": 1, **PARTIAL, "full_name": "first"})
    shop.send(TABLE, "u", {**rows.customer, "id": 2, **PARTIAL, "tags": [], "full_name": "x"})
    assert shop.run("customers") == 0
    shop.send(TABLE, "u", {**rows.customer, "id": 2, **PARTIAL, "full_name": "second"})
    shop.send(TABLE, "u", {**rows.customer, "id": 3, **PARTIAL, "email": "New@X.org"})
    shop.send(TABLE, "u", {**rows.customer, "id": 3, **PARTIAL, "full_name": "third"})
    assert shop.run("customers") == 0

    tags, preferences = rows.customer["tags"], {"lang": "en"}
    names = ("id", "full_name", "email", "email_normalized", "tags", "preferences")
    assert [tuple(row[name] for name in names) for row in settled(shop)] == [
        (1, "first", " Mail1@X.org", "mail1@x.org", tags, preferences),
        (2, "second", " Mail2@X.org", "mail2@x.org", [], preferences),
        (3, "third", "New@X.org", "new@x.org", tags, preferences),
    ]


def test_partial_updates_in_the_batch_of_the_insert_keep_its_values(shop, rows):
    for number in range(1, 7):
        shop.send(TABLE, "c", {**rows.customer, "id": number})
        shop.send(TABLE, "u", {**rows.customer, "id": number, **PARTIAL, "full_name": "a"})
        shop.send(TABLE, "u", {**rows.customer, "id": number, **PARTIAL, "full_name": f"b{number}"})
    assert shop.run("customers") == 0
    found = settled(shop)
    assert [row["full_name"] for row in found] == [f"b{number}" for number in range(1, 7)]
    assert {row["email_normalized"] for row in found} == {"ada@example.org"}
    versions = "SELECT max(_version % 2) AS repaired FROM RAW.customers"
    assert shop.both(versions) == ([{"repaired": 0}], [{"repaired": 0}])


@pytest.mark.parametrize("together", [True, False])
def test_a_changed_key_takes_its_values_along(shop, rows, together):
    for number in (1, 2, 3):
        shop.send(TABLE, "c", {**rows.customer, "id": number, "email": f"Mail{number}@X.org"})
    if not together:
        assert shop.run("customers") == 0
    for number in (1, 2, 3):
        lsn, after = 5000 + number, {**rows.customer, "id": number + 10, **PARTIAL}
        at_source(shop, {**rows.customer, "id": number + 10, "email": f"Mail{number}@X.org"})
        shop.send(TABLE, "d", {"id": number}, lsn=lsn)
        shop.send(TABLE, "c", after, old_key=shop.key(TABLE, {"id": number}), lsn=lsn)
        shop.send(TABLE, "u", {**after, "full_name": "moved"}, lsn=lsn + 10)
    assert shop.run("customers") == 0
    found = settled(shop)
    assert [(row["id"], row["email_normalized"]) for row in found] == [
        (11, "mail1@x.org"),
        (12, "mail2@x.org"),
        (13, "mail3@x.org"),
    ]


def test_what_changed_while_nobody_captured_it_is_told_by_the_source(shop, rows):
    for number in (1, 2):
        shop.send(TABLE, "c", {**rows.customer, "id": number}, lsn=1000 + number)
        at_source(shop, {**rows.customer, "id": number, "full_name": "now"})
    assert shop.run("customers") == 0
    sinks = [sink.name for sink in shop.pipeline.sinks]
    shop.ops.record_gap(shop.pipeline.name, "customers", sinks, 1002, "the slot was lost")
    for number in (1, 2):
        shop.send(TABLE, "u", {**rows.customer, "id": number, **PARTIAL, "full_name": "now"}, lsn=2000)
    assert shop.run("customers") == 0
    # The second row was captured after the gap.
    tags = [(1, ["source"]), (2, rows.customer["tags"])]
    assert [(row["id"], row["tags"]) for row in settled(shop)] == tags


def test_after_a_dead_letter_set_the_value_the_source_tells_it(shop, rows):
    for number in (1, 2, 3, 4):
        shop.send(TABLE, "c", {**rows.customer, "id": number})
    assert shop.run("customers") == 0
    # Neither sink can hold a NULL where the pipeline says NOT NULL; its new tags get lost with it.
    shop.send(TABLE, "u", {**rows.customer, "id": 1, "full_name": None, "tags": ["lost"]})
    shop.send(TABLE, "u", {**rows.customer, "id": 2, "full_name": None, "tags": ["lost"]})
    shop.send(TABLE, "u", {**rows.customer, "id": 1, **PARTIAL, "full_name": "in the same batch"})
    shop.send(TABLE, "u", {**rows.customer, "id": 3, **PARTIAL, "full_name": "not concerned"})
    for number in (1, 2):
        at_source(shop, {**rows.customer, "id": number, "full_name": f"true {number}"})
    assert shop.run("customers") == 0
    shop.send(TABLE, "u", {**rows.customer, "id": 2, **PARTIAL, "full_name": "in the next batch"})
    assert shop.run("customers") == 0

    def expected():
        state = [(row["id"], row["full_name"], row["tags"]) for row in shown(shop)]
        assert state == [
            (1, "true 1", ["source"]),
            (2, "true 2", ["source"]),
            (3, "not concerned", rows.customer["tags"]),
            (4, rows.customer["full_name"], rows.customer["tags"]),
        ]

    expected()
    for sink in ("clickhouse", "warehouse"):
        assert shop.ops.open_dead_letters(shop.pipeline.name, "customers", sink) == 2
    repaired = "SELECT DISTINCT id FROM RAW.customers WHERE _version % 2 = 1 ORDER BY id"
    assert shop.both(repaired) == ([{"id": 1}, {"id": 2}],) * 2
    shop.forget_checkpoints()
    assert shop.run("customers") == 0
    expected()
    # What comes later in the topic is above a repair row.
    shop.source("UPDATE customers SET full_name = 'later', tags = '{new}' WHERE id = 1")
    shop.send(TABLE, "u", {**rows.customer, "id": 1, **PARTIAL, "full_name": "later", "tags": ["new"]})
    assert shop.run("customers") == 0
    assert (shown(shop)[0]["full_name"], shown(shop)[0]["tags"]) == ("later", ["new"])
    shop.send(TABLE, "u", {**rows.customer, "id": 1, "full_name": "whole"})
    assert shop.run("customers") == 0
    assert shown(shop)[0]["full_name"] == "whole"


def test_a_row_that_nobody_has_any_more_is_left_to_its_delete(shop, rows):
    shop.send(TABLE, "u", {**rows.customer, "id": 1, **PARTIAL})
    shop.send(TABLE, "c", {**rows.customer, "id": 2})
    assert shop.run("customers") == 0
    assert [row["id"] for row in shown(shop)] == [2]
    assert shop.ops.dead_letters(shop.pipeline.name) == []


def test_a_source_row_that_a_sink_cannot_hold_is_a_dead_letter_of_that_sink(shop, rows):
    at_source(shop, {**rows.customer, "id": 1, "created_at": "2300-01-01T00:00:00Z"})
    shop.send(TABLE, "u", {**rows.customer, "id": 1, **PARTIAL})
    shop.send(TABLE, "c", {**rows.customer, "id": 2})
    assert shop.run("customers") == 0
    letters = shop.ops.dead_letters(shop.pipeline.name)
    assert [(letter.sink, letter.key) for letter in letters] == [("clickhouse", b'{"id": 1}')]
    assert "at the source: column 'created_at'" in letters[0].message
    assert [row["id"] for row in shop.warehouse("SELECT id FROM VIEW.customers ORDER BY id")] == [1, 2]


def test_a_key_that_was_not_sent_parks_its_table_and_no_other(shop, rows):
    shop.send("public.order_items", "c", rows.item)
    item = {**rows.item, "line_no": 2}
    key = json.dumps({"order_id": 1, "line_no": GONE}).encode()
    shop.send_raw("public.order_items", key, shop.event("public.order_items", "u", {**item, "line_no": GONE}))
    shop.send("public.orders", "c", rows.order)
    assert shop.run("orders") == 0
    parked = shop.ops.parked(shop.pipeline.name)
    assert {(item.table, item.sink) for item in parked} == {
        ("order_items", "clickhouse"),
        ("order_items", "warehouse"),
    }
    assert "key column 'line_no'" in parked[0].reason
    assert shop.ops.dead_letters(shop.pipeline.name) == []
    assert shop.both("SELECT id FROM VIEW.orders_fact") == ([{"id": 1}], [{"id": 1}])
