"""DAGs that no other test has the scheduler run, on the whole stack."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from cdc.clients.clickhouse import connect_clickhouse
from cdc.clients.postgres import connect_postgres
from cdc.ops import OpsStore
from cdc.services.compare import compare_table
from tests.dead_letters import plant

STORED = "SELECT id, email, _version, _op, _is_deleted, _offset FROM cdc_raw.customers{} ORDER BY id"


def stored(session):
    """Every row of a table in both sinks, tombstones too; without the time of its processing."""
    client = connect_clickhouse(session.connections.get("cdc_clickhouse"))
    rows = client.query(STORED.format(" FINAL")).result_rows
    client.close()
    with connect_postgres(session.connections.get("cdc_warehouse")) as warehouse:
        return [tuple(row) for row in rows], warehouse.execute(STORED.format("")).fetchall()


def succeed(stack, runs, limit_s=600):
    for run in [stack.finish(run, limit_s) for run in runs]:
        assert run.state == "success", stack.api.explain(run)


@pytest.mark.drill  # test_lost_rows.py replays by the same DAG, test_backfill.py has Airflow make the runs
def test_a_backfill_of_airflow_replays_events_and_nothing_changes(stack, eventually):
    day = datetime.now(UTC).date() - timedelta(days=1)
    # The sample's events are younger than this stack, and Airflow backfills days that are over.
    asked_for = json.dumps({"table": "customers", "until": "latest"})
    with stack.session() as session:
        before = stored(session)
        asked = stack.shell(
            f"airflow backfill create --dag-id cdc_replay --from-date {day} --to-date {day} "
            f"--dag-run-conf '{asked_for}'"
        )
        assert asked.returncode == 0

        def finished():
            runs = [run for run in stack.api.runs("cdc_replay", 20) if run.run_type == "backfill"]
            return runs if runs and runs[0].finished else None

        eventually(finished, 300)
        (run,) = finished()
        assert run.state == "success", stack.api.explain(run)
        assert stored(session) == before
    ended = json.loads(stack.shell("cdc runs --json").stdout)[0]
    assert (ended["kind"], ended["state"], ended["bad"]) == ("replay", "done", 0)
    assert ended["window"] == {"from": f"{day}T00:00:00+00:00", "until": "latest"}
    assert ended["done"] >= len(before[0]) > 0


def test_tables_are_built_anew_and_dead_letters_replayed_at_once(stack, eventually):
    approved = {"pipeline": "ecommerce", "approved": True}
    with stack.session() as session, OpsStore(session.connections.get("cdc_ops")) as ops:
        [pipeline] = session.pipelines
        plant(pipeline, session.connections, ops, "customers", "clickhouse")
        parked = stack.shell("cdc table park order_items --reason 'to be built anew'")
        assert parked.returncode == 0
        succeed(
            stack,
            [
                stack.api.trigger("cdc_resync", {**approved, "table": "products"}),
                stack.api.trigger("cdc_schema_change", {**approved, "table": "order_items"}),
                stack.api.trigger("cdc_dead_letter_replay", {"table": "customers"}),
            ],
        )
        assert ops.count_dead_letters("ecommerce", "customers") == {}
        assert ops.parked("ecommerce") == []
        for name in ("products", "order_items", "customers"):
            table = pipeline.table(name)
            eventually(lambda table=table: compare_table(pipeline, session.connections, table).equal)


def test_upkeep_and_comparisons_run_beside_each_other(stack):
    ids = ("cdc_schema", "cdc_partition_watch", "cdc_clickhouse_maintenance")
    succeed(stack, [stack.api.trigger(dag_id) for dag_id in ids])
    shown = stack.shell("cdc maintenance --json")
    assert shown.returncode == 0, shown.stderr
    assert {one["place"] for one in json.loads(shown.stdout)} >= {"Kafka", "clickhouse", "warehouse"}


@pytest.mark.drill
def test_every_stream_is_restarted_one_after_the_other(stack):
    before = {row.name for row in stack.rows() if row.name.startswith("driver:")}
    pids = stack.drivers()
    succeed(stack, [stack.api.trigger("cdc_restart_ecommerce")], 800)
    after = stack.drivers()
    assert set(after) == before
    assert not {after[name] for name in before} & set(pids.values())
