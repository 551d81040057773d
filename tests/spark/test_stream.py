"""Events in Kafka arrive in both sinks as rows, once, whatever is replayed."""

from __future__ import annotations

from decimal import Decimal


def test_inserts_updates_and_deletes_arrive_in_both_sinks(lab, rows):
    for number in range(1, 8):
        lab.send("public.customers", "r", {**rows.customer, "id": number})
    lab.send(
        "public.customers", "u", {**rows.customer, "id": 2, "email": "New@X.org", "tags": [], "phone": "+33"}
    )
    lab.send("public.customers", "d", {"id": 3})
    assert lab.run("customers") == 0

    query = "SELECT id, email, tags, phone, email_normalized, _op, _offset, _partition FROM VIEW.customers ORDER BY id"
    clickhouse, warehouse = lab.both(query)
    assert clickhouse == warehouse
    assert [row["id"] for row in warehouse] == [1, 2, 4, 5, 6, 7]
    assert warehouse[0]["tags"] == rows.customer["tags"]
    assert warehouse[0]["email_normalized"] == "ada@example.org"
    assert (warehouse[1]["tags"], warehouse[1]["phone"], warehouse[1]["_op"]) == ([], "+33", "UPDATE")
