"""`cdc reconcile` on the whole stack, with Debezium, while the shop is busy: planted faults and no others."""

from __future__ import annotations

import json
import threading
import urllib.request

import psycopg
import pytest

from local_stack.generator import run_bounded

CHANGES = 60_000
PLANTED = 30


@pytest.mark.drill
@pytest.mark.timeout(900)
def test_faults_are_found_and_mended_while_changes_flow(stack):
    env = stack.ctx.stack_env()
    shop = threading.Thread(target=run_bounded, args=(env["SOURCE_DSN"], CHANGES, 23), daemon=True)
    shop.start()
    assert differing(reports(stack)) == {}
    with psycopg.connect(env["WAREHOUSE_DSN"], autocommit=True) as warehouse:
        some = f"(SELECT id FROM {{}} ORDER BY id LIMIT {PLANTED})"
        warehouse.execute(f"DELETE FROM cdc_raw.products WHERE id IN {some.format('products')}")
        warehouse.execute(
            f"UPDATE cdc_raw.customers SET full_name = 'x' WHERE id IN {some.format('customers')}"
        )
        orders = [row[0] for row in warehouse.execute(some.format("orders_fact").strip("()")).fetchall()]
    statement = f"DELETE FROM cdc_raw.orders_fact WHERE id IN ({', '.join(map(str, orders))})"
    urllib.request.urlopen(env["CLICKHOUSE_URL"], statement.encode(), timeout=60).read()  # the stack's own
    told = reports(stack, code=1)
    assert not any(report["repaired"].get(sink) for report in told.values() for sink in report["repaired"])
    mended = reports(stack, "--repair")
    assert all(report["settled"] for report in mended.values())
    for found in (told, mended):
        # A row that has changed since is right again, so there may be fewer.
        assert differing(found).keys() == {"products", "customers", "orders_fact"}
        for name, sink in (
            ("products", "warehouse"),
            ("customers", "warehouse"),
            ("orders_fact", "clickhouse"),
        ):
            assert found[name]["differences"].keys() == {sink}
            assert 0 < sum(found[name]["differences"][sink].values()) <= PLANTED
    assert shop.is_alive()
    shop.join(400)
    done = reports(stack)
    assert differing(done) == {}
    assert all(len(set(report["rows"].values())) == 1 for report in done.values())
    status = json.loads(stack.shell("cdc status --json").stdout)
    assert all(table["compared"]["settled"] for table in status["tables"])


def reports(stack, *options, code=0):
    done = stack.shell(f"cdc reconcile --json {' '.join(options)}", 400)
    assert done.returncode == code, done.stdout + done.stderr
    return {report["name"]: report for report in json.loads(done.stdout)}


def differing(found):
    return {name: report["differences"] for name, report in found.items() if report["differences"]}
