"""What the tables are complete up to, and a DAG that builds days on top of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import psycopg

from cdc.clients.clickhouse import connect_clickhouse

SINKS, TABLES = {"clickhouse", "warehouse"}, {"customers", "products", "orders_fact", "order_items"}


def prove(stack):
    done = stack.shell("cdc watermarks --prove --json")
    assert done.returncode == 0
    found = {(one["table"], one["sink"]): one for one in json.loads(done.stdout)}
    assert set(found) == {(table, sink) for table in TABLES for sink in SINKS}
    return found


def test_every_table_is_proven_complete_up_to_now_also_when_nothing_changes(stack):
    began = datetime.now(UTC)
    for one in prove(stack).values():
        assert one["holds"], one
        assert datetime.fromisoformat(one["complete_until"]) > began - timedelta(seconds=30)
    status = json.loads(stack.shell("cdc status --json --no-count").stdout)
    assert all("complete before" in row["watermark"] for row in status["tables"])


def test_an_open_transaction_holds_the_time_back_though_not_the_lsn(stack):
    before = prove(stack)["orders_fact", "warehouse"]
    with psycopg.connect(stack.ctx.stack_env()["SOURCE_DSN"]) as open_one:
        [(began,)] = open_one.execute("SELECT now()").fetchall()
        after = prove(stack)["orders_fact", "warehouse"]
    assert datetime.fromisoformat(after["complete_until"]) <= began
    assert _number(after["lsn"]) > _number(before["lsn"])


def test_a_parked_table_has_none_and_the_others_have(stack):
    assert stack.shell("cdc table park products --sink warehouse --reason 'a test'").returncode == 0
    try:
        found = prove(stack)
    finally:
        resumed = stack.shell("cdc table resume products --sink warehouse")
    assert resumed.returncode == 0
    assert not found["products", "warehouse"]["holds"]
    assert "parked: a test" in found["products", "warehouse"]["doubt"]
    assert found["products", "clickhouse"]["holds"]
    assert prove(stack)["products", "warehouse"]["holds"]


REVENUE = """
SELECT (o.ordered_at AT TIME ZONE 'UTC')::date, o.currency::text,
    count(DISTINCT o.id), sum(i.quantity), sum(i.quantity * i.unit_price)
FROM orders AS o JOIN order_items AS i ON i.order_id = o.id
WHERE o.status <> 'cancelled' AND o.ordered_at < %s
GROUP BY 1, 2"""
BUILT = "SELECT day, currency, orders, items, revenue FROM marts.daily_revenue"


def test_a_downstream_dag_builds_each_day_that_is_over_once(stack, eventually):
    began = datetime.now(UTC)
    run = stack.run_dag("cdc_watermarks")
    assert run.state == "success", stack.api.explain(run)

    def finished():
        return [r for r in stack.api.runs("example_daily_revenue") if r.finished and r.run_after >= began]

    eventually(finished, 180)
    assert {run.state for run in finished()} == {"success"}
    # Days of earlier tests were built before later changes of theirs: all once more, from what is there now.
    rebuilt = stack.run_dag("example_daily_revenue", {"again_from": "1900-01-01"})
    assert rebuilt.state == "success", stack.api.explain(rebuilt)
    env = stack.ctx.stack_env()
    midnight = began.replace(hour=0, minute=0, second=0, microsecond=0)
    with psycopg.connect(env["SOURCE_DSN"]) as source:
        expected = sorted(source.execute(REVENUE, (midnight,)).fetchall())
    with psycopg.connect(env["WAREHOUSE_DSN"]) as warehouse:
        in_warehouse = sorted(warehouse.execute(BUILT).fetchall())
    with stack.session() as session:
        client = connect_clickhouse(session.connections.get("cdc_clickhouse"))
        in_clickhouse = sorted(tuple(row) for row in client.query(BUILT).result_rows)
        client.close()
    assert len({row[0] for row in expected}) > 1
    assert in_warehouse == expected
    assert in_clickhouse == expected
    again = stack.run_dag("example_daily_revenue")
    assert {task["state"] for task in stack.api.tasks(again)} == {"skipped"}
    # A scheduler takes the tasks of a test's run too, unless the DAG is paused.
    by_hand = (
        "airflow dags pause -y {0} && airflow dags test {0}; code=$?; airflow dags unpause -y {0}; exit $code"
    )
    assert stack.shell(by_hand.format("example_daily_revenue")).returncode == 0


def _number(lsn: str) -> int:
    high, low = lsn.split("/")
    return int(high, 16) << 32 | int(low, 16)
