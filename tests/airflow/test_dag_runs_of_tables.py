"""A table once more by its DAGs, by `airflow dags test`, beside its running stream; real components."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from cdc.clients.clickhouse import connect_clickhouse
from cdc.clients.postgres import connect_postgres
from cdc.clients.yarn import YarnClient
from cdc.connections import Connections
from cdc.ops import OpsStore
from cdc.services.compare import compare_table
from cdc.services.effective import effective_pipeline
from cdc.spec import Pipeline, load_pipeline
from tests.dead_letters import plant

TABLE, SINKS = "products", ("clickhouse", "warehouse")
Equal = Callable[[], None]


@pytest.fixture(scope="module", autouse=True)
def stream(airflow, yarn: YarnClient) -> None:
    """The stream of products runs."""
    if not yarn.applications(["cdc-ecommerce-products"]):
        for dag_id in ("cdc_connectors", "cdc_stream_products"):
            fine, log = airflow.run(dag_id)
            assert fine, log[-3000:]


@pytest.fixture
def pipeline(pipelines_dir: Path) -> Pipeline:
    return load_pipeline(pipelines_dir / "ecommerce.yaml")


@pytest.fixture
def become_equal(pipeline: Pipeline, connections: Connections, ops: OpsStore) -> Equal:
    """Wait until both sinks have what the source has."""

    def wait() -> None:
        deadline = time.monotonic() + 120
        effective = effective_pipeline(pipeline, ops)
        while not (report := compare_table(effective, connections, effective.table(TABLE))).equal:
            assert time.monotonic() < deadline, report
            time.sleep(1)

    return wait


def source(connections: Connections) -> psycopg.Connection:
    return connect_postgres(connections.get("cdc_source_admin"), autocommit=True)


def shown(connections: Connections, columns: str) -> dict[str, set[tuple[object, ...]]]:
    """What readers see of these columns in each sink."""
    client = connect_clickhouse(connections.get("cdc_clickhouse"))
    rows = client.query(f"SELECT DISTINCT {columns} FROM analytics.products").result_rows
    client.close()
    with connect_postgres(connections.get("cdc_warehouse")) as warehouse:
        found = warehouse.execute(f"SELECT DISTINCT {columns} FROM public.products").fetchall()
    return {"clickhouse": {tuple(row) for row in rows}, "warehouse": {tuple(row) for row in found}}


def in_both(*rows: tuple[object, ...]) -> dict[str, set[tuple[object, ...]]]:
    return {sink: set(rows) for sink in SINKS}


def test_watermarks_of_every_sink_are_proven(airflow, ops: OpsStore, mails) -> None:
    mails()
    fine, log = airflow.run("cdc_watermarks")
    assert fine, log[-3000:]
    found = ops.watermarks("ecommerce")
    assert {(one.sink, one.holds) for one in found if one.table == TABLE} == {(sink, True) for sink in SINKS}
    assert mails() == []


@pytest.mark.drill  # tests/e2e has the same by the scheduler: test_lost_rows.py, test_scheduled_dags.py
def test_lost_rows_come_back_by_a_backfill_and_a_dead_letter_by_a_replay(
    airflow, pipeline: Pipeline, connections: Connections, ops: OpsStore, become_equal: Equal, mails
) -> None:
    """Both at once: neither is in the other's way, nor in the stream's."""
    plant(pipeline, connections, ops, TABLE, "warehouse")
    with connect_postgres(connections.get("cdc_warehouse"), autocommit=True) as warehouse:
        warehouse.execute("DELETE FROM cdc_raw.products WHERE id <= 2")
    runs = [
        airflow.start("cdc_backfill", table=TABLE, scope="condition", where="id <= 2"),
        airflow.start("cdc_dead_letter_replay", table=TABLE),
    ]
    results = [run.result() for run in runs]
    logs = [log for _, log in results]
    assert [fine for fine, _ in results] == [True, True], "\n".join(log[-3000:] for log in logs)
    assert "products → warehouse: 1 written, 0 still open" in logs[1]
    become_equal()
    (run,) = ops.bounded_runs("ecommerce")
    assert (run.state, run.done, run.window["where"]) == ("done", 2, "id <= 2")
    assert mails() == []


def test_a_backfill_whose_condition_is_none_is_mailed(airflow, ops: OpsStore, mails) -> None:
    before = ops.bounded_runs("ecommerce")
    fine, _ = airflow.run("cdc_backfill", table=TABLE, scope="condition", where="id >")
    assert not fine
    ((subject, text),) = mails()
    assert subject.startswith("[CDC ecommerce] BREACH: ecommerce.backfill failed")
    assert "received the condition" in text
    assert "id &gt;" in text
    assert ops.bounded_runs("ecommerce") == before


def test_a_replay_whose_application_ends_by_a_terminal_error_fails_at_once_and_says_it(
    airflow, ops: OpsStore, mails
) -> None:
    ops.rows("UPDATE cdc_ops.topics SET partitions = partitions + 1")
    try:
        fine, log = airflow.run("cdc_replay", table=TABLE, **{"from": "earliest"}, sink="warehouse")
    finally:
        ops.rows("UPDATE cdc_ops.topics SET partitions = partitions - 1")
    assert not fine
    assert len(set(re.findall(r"application_\d+_\d+", log))) == 1
    run = ops.bounded_runs("ecommerce")[0]
    assert run.state == "failed"
    assert "had 4 partitions, now it has 3" in run.message
    ((subject, text),) = mails()
    assert subject.startswith("[CDC ecommerce] BREACH: ecommerce.replay failed")
    assert "had 4 partitions, now it has 3" in text


def test_a_day_without_events_is_replayed_without_an_application(airflow, mails) -> None:
    fine, log = airflow.run("cdc_replay", table=TABLE, **{"from": "2100-01-01T00:00:00Z"})
    assert fine, log[-3000:]
    assert "spark-submit" not in log
    assert mails() == []


def test_a_resync_that_cannot_begin_is_mailed(
    airflow, connections: Connections, ops: OpsStore, mails
) -> None:
    with source(connections) as session:
        session.execute("ALTER TABLE products RENAME TO elsewhere")
        try:
            fine, _ = airflow.run("cdc_resync", table=TABLE, approved=True)
        finally:
            session.execute("ALTER TABLE elsewhere RENAME TO products")
    assert not fine
    ((subject, text),) = mails()
    assert subject.startswith("[CDC ecommerce] BREACH: ecommerce.resync failed")
    assert "does not exist" in text
    assert ops.parked("ecommerce") == []


def test_an_added_column_arrives_and_a_renamed_one_waits_for_an_approval(
    airflow, connections: Connections, ops: OpsStore, become_equal: Equal, mails
) -> None:
    airflow.store()
    with source(connections) as session:
        session.execute("ALTER TABLE products ADD COLUMN origin text DEFAULT 'here'")
        fine, log = airflow.run("cdc_schema")
        assert fine, log[-3000:]
        assert "public.products: followed" in log
        become_equal()
        assert shown(connections, "origin") == in_both(("here",))
        session.execute("ALTER TABLE products RENAME COLUMN origin TO made_in")
        fine, log = airflow.run("cdc_schema")
        assert fine, log[-3000:]
        assert "public.products: parked" in log
        assert {item.sink for item in ops.parked("ecommerce")} == set(SINKS)
        session.execute("UPDATE products SET made_in = 'there' WHERE id = 1")
    assert shown(connections, "origin") == in_both(("here",))
    difference = "public.products.origin is named made_in now"
    fine, log = airflow.run("cdc_schema_change", table=TABLE, difference=difference, approved=True)
    assert fine, log[-3000:]
    assert ops.parked("ecommerce") == []
    become_equal()
    assert shown(connections, "made_in") == in_both(("here",), ("there",))
    assert mails() == []
