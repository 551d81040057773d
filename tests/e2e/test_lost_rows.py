"""Rows that a sink has lost come back by the DAGs, from the source and from Kafka, while everything runs."""

from __future__ import annotations

import json

import psycopg

from cdc.clients.clickhouse import connect_clickhouse
from cdc.services.compare import compare_table

LOST = "DELETE FROM cdc_raw.customers WHERE id BETWEEN 1 AND 20"


def test_lost_rows_come_back_by_a_backfill_and_by_a_replay(stack, eventually):
    with stack.session() as session:
        [pipeline] = session.pipelines
        table = pipeline.table("customers")
        clickhouse = connect_clickhouse(session.connections.get("cdc_clickhouse"))
        clickhouse.command(f"{LOST} SETTINGS lightweight_deletes_sync = 2")
        assert not compare_table(pipeline, session.connections, table).equal
        part = {"table": "customers", "scope": "key range", "from_key": "1", "until_key": "21"}
        backfill = stack.run_dag("cdc_backfill", part)
        assert backfill.state == "success", stack.api.explain(backfill)
        eventually(lambda: compare_table(pipeline, session.connections, table).equal)

        with psycopg.connect(session.connections.get("cdc_warehouse").dsn(), autocommit=True) as warehouse:
            warehouse.execute(LOST)
        assert not compare_table(pipeline, session.connections, table).equal
        replay = stack.run_dag("cdc_replay", {"table": "customers", "from": "earliest", "sink": "warehouse"})
        assert replay.state == "success", stack.api.explain(replay)
        eventually(lambda: compare_table(pipeline, session.connections, table).equal)
    runs = json.loads(stack.shell("cdc runs --json").stdout)
    assert [(run["kind"], run["state"], run["bad"]) for run in runs[:2]] == [
        ("replay", "done", 0), ("backfill", "done", 0)
    ]  # fmt: skip
    assert runs[1]["done"] <= 20 < runs[0]["done"]
