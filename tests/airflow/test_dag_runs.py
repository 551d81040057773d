"""The DAGs as people run them, by `airflow dags test`, on the real components; each builds on the last."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdc.clients.clickhouse import connect_clickhouse
from cdc.clients.connect import ConnectClient
from cdc.clients.postgres import connect_postgres
from cdc.clients.yarn import YarnClient
from cdc.connections import Connections
from cdc.ops import OpsStore
from local_stack.component import StackContext

APP = "cdc-ecommerce-products"
DAG = "cdc_stream_products"


def test_a_wrong_setting_is_named_and_mailed(airflow, mails, stack: StackContext) -> None:
    """Connect is asked before anything is changed."""
    lines = stack.connections_file.read_text()
    try:
        stack.connections_file.write_text(lines.replace('"login": "debezium"', '"login": "nobody"'))
        fine, log = airflow.run("cdc_connectors")
    finally:
        stack.connections_file.write_text(lines)
    assert not fine
    assert "Kafka Connect refuses the connector's configuration" in log
    ((subject, text),) = mails()
    assert "validate_connector" in subject
    assert "nobody" in text


def test_only_a_plan(airflow, connections: Connections) -> None:
    fine, log = airflow.run("cdc_connectors", plan_only=True)
    assert fine, log[-3000:]
    assert "plan only: nothing was changed" in log
    assert ConnectClient(connections.get("cdc_connect").url()).status("ecommerce") is None


def test_registers_the_connector_and_waits_until_it_runs(airflow, connections: Connections, mails) -> None:
    fine, log = airflow.run("cdc_connectors")
    assert fine, log[-3000:]
    status = ConnectClient(connections.get("cdc_connect").url()).status("ecommerce")
    assert status is not None
    assert status.running
    assert "ok: connector ecommerce is running with 1 task(s)" in log
    assert "every driver and every lease belongs to a stream" in log
    assert mails() == []


def test_twice_at_once_leaves_one_driver(airflow, yarn: YarnClient, ops: OpsStore) -> None:
    runs = [airflow.start(DAG), airflow.start(DAG)]
    results = [run.result() for run in runs]
    logs = [log for _, log in results]
    assert [fine for fine, _ in results] == [True, True], "\n".join(log[-3000:] for log in logs)
    (application,) = yarn.applications([APP])
    assert application.state == "RUNNING"
    assert sum("runs with this spec" in log for log in logs) == 1
    launch = ops.launch("ecommerce", "products")
    assert launch is not None
    assert launch.application_id == application.id
    assert {p.sink for p in ops.latest_progress("ecommerce", "products")} == {"clickhouse", "warehouse"}


def test_all_is_well_while_it_runs(airflow, mails) -> None:
    fine, log = airflow.run("cdc_health", grace_s=30)
    assert fine, log[-3000:]
    assert mails() == []


def test_upkeep_says_whether_kafka_keeps_events_for_long_enough(airflow, ops: OpsStore, mails) -> None:
    fine, log = airflow.run("cdc_clickhouse_maintenance")
    assert fine, log[-3000:]
    assert "ok: retention of dbserver1.public.products: Kafka keeps events for 7 d" in log
    assert mails() == []
    found = {one.place: one for one in ops.last_maintenance("ecommerce")}
    assert found.keys() == {"Kafka", "clickhouse", "warehouse", "ops store"}
    assert {one.run.split()[0] for one in found.values()} == {"cdc_clickhouse_maintenance"}
    assert len({one.run for one in found.values()}) == 1
    assert found["Kafka"].outcome == "ok"
    assert found["Kafka"].done[0].startswith("retention of dbserver1.public.products: Kafka keeps events")
    assert "vacuumed and analysed" in found["warehouse"].done


def test_upkeep_that_did_nothing_because_of_its_budget_says_so(
    airflow, connections: Connections, ops: OpsStore, pipelines_dir: Path
) -> None:
    client = connect_clickhouse(connections.get("cdc_clickhouse"))
    file = pipelines_dir / "ecommerce.yaml"
    lines = file.read_text()
    assert "max_merge_gb: 50 " in lines
    try:
        client.command("SYSTEM STOP MERGES cdc_raw.products")
        for _ in range(2):
            client.command("INSERT INTO cdc_raw.products SELECT * FROM cdc_raw.products LIMIT 1")
        file.write_text(lines.replace("max_merge_gb: 50 ", "max_merge_gb: 1.0e-9 "))
        fine, log = airflow.run("cdc_clickhouse_maintenance")
    finally:
        file.write_text(lines)
        client.command("SYSTEM START MERGES cdc_raw.products")
        client.close()
    assert fine, log[-3000:]
    assert "bytes are more than the 1 that are left of the budget" in log
    (report,) = (one for one in ops.last_maintenance("ecommerce") if one.place == "clickhouse")
    assert report.outcome == "not done"
    assert "bytes are more than the 1 that are left of the budget" in report.left[0]
    assert report.merged_bytes == 0


def test_a_failed_connector_task_is_restarted_by_itself_and_told_when_that_is_in_vain(
    airflow, connections: Connections, ops: OpsStore, mails
) -> None:
    client = ConnectClient(connections.get("cdc_connect").url())
    with connect_postgres(connections.get("cdc_source_admin"), autocommit=True) as source:
        source.execute("ALTER PUBLICATION cdc_ecommerce RENAME TO elsewhere")
        try:
            client.restart("ecommerce", only_failed=False)
            deadline = time.monotonic() + 60
            while not ((status := client.status("ecommerce")) and status.failed):
                assert time.monotonic() < deadline, status
                time.sleep(0.5)
            fine, log = airflow.run("cdc_health", grace_s=8)
        finally:
            source.execute("ALTER PUBLICATION elsewhere RENAME TO cdc_ecommerce")
    assert not fine
    assert "restarted by itself" in log
    began = datetime.now(UTC) - timedelta(minutes=10)
    done = ops.restarts("ecommerce", began)
    assert 1 <= len(done) <= 2
    ((subject, text),) = mails()
    assert subject.startswith("[CDC ecommerce] BREACH: connector ecommerce: task 0 has failed")
    assert "Publication autocreation is disabled" in text
    assert "of at most 3 times within an hour" in text
    fine, log = airflow.run("cdc_health", grace_s=40)
    assert fine, log[-3000:]
    assert len(ops.restarts("ecommerce", began)) == len(done) + 1
    ((subject, _),) = mails()
    assert subject.startswith("[CDC ecommerce] OVER after")
    assert "connector ecommerce is running with 1 task(s)" in subject


def test_a_row_that_a_sink_lost_is_found_mended_and_mailed(airflow, connections: Connections, mails) -> None:
    with connect_postgres(connections.get("cdc_warehouse"), autocommit=True) as warehouse:
        warehouse.execute("DELETE FROM cdc_raw.products WHERE id = (SELECT min(id) FROM cdc_raw.products)")
        fine, log = airflow.run("cdc_reconciliation", tables="products")
        assert fine, log[-3000:]
        assert "public.products in warehouse: 1 missing; 1 repaired, 0 left" in log
        ((subject, text),) = mails()
        assert "sinks differed from the source: stream products" in subject
        assert "is missing" in text
        repaired = warehouse.execute(
            "SELECT count(*) FROM cdc_raw.products WHERE _version & 1 = 1"
        ).fetchone()
        assert repaired == (1,)
    fine, log = airflow.run("cdc_reconciliation", tables="products", repair="no", window="interval")
    assert fine, log[-3000:]
    assert "; equal" in log
    assert "public.products: is compared whole, since it has no `event_time`" in log
    fine, log = airflow.run("cdc_partition_watch")
    assert fine, log[-3000:]
    assert mails() == []


def test_a_stopped_stream_stays_stopped_and_is_mailed(
    airflow, yarn: YarnClient, ops: OpsStore, mails
) -> None:
    fine, log = airflow.run(DAG, action="stop")
    assert fine, log[-3000:]
    assert yarn.applications([APP]) == []
    assert ops.desired_state("ecommerce", "products") == "stopped"
    touched = ops.touched_at("ecommerce.products.clickhouse")
    assert touched is not None
    time.sleep(max(0.0, 41 - (time.time() - touched.timestamp())))
    fine, log = airflow.run("cdc_health", grace_s=0)
    assert not fine
    found = [text for subject, text in mails() if "ecommerce.products." in subject]
    assert len(found) == 1
    for words in ("What to do", "Since", "age_s", "stopped on request", "action ensure"):
        assert words in found[0]
    fine, log = airflow.run("cdc_health", grace_s=0)
    assert not fine
    assert mails() == []


def test_a_paused_stream_alarms_nobody_and_starts_by_a_resume_alone(
    airflow, yarn: YarnClient, ops: OpsStore, mails
) -> None:
    """Its rows are as old as those of the stopped one were."""
    fine, log = airflow.run(DAG, action="pause")
    assert fine, log[-3000:]
    assert ops.desired_state("ecommerce", "products") == "paused"
    fine, log = airflow.run("cdc_health", grace_s=0)
    assert fine, log[-3000:]
    assert "query ecommerce.products.clickhouse is paused since" in log
    ((subject, _),) = mails()
    assert subject.startswith("[CDC ecommerce] OVER after")
    assert "ecommerce.products." in subject
    fine, log = airflow.run(DAG)
    assert fine, log[-3000:]
    assert "is not started: it is paused" in log
    for dag_id, said in (
        ("cdc_restart_ecommerce", "is not started: it is paused"),
        ("cdc_reconciliation", "stream products is paused"),
    ):
        fine, log = airflow.run(dag_id)
        assert fine, log[-3000:]
        assert said in log
    assert yarn.applications([APP]) == []
    assert mails() == []
    fine, log = airflow.run(DAG, action="resume")
    assert fine, log[-3000:]
    assert ops.desired_state("ecommerce", "products") == "running"


def test_the_restart_dag_drains_a_stream_and_starts_it_where_it_ended(
    airflow, yarn: YarnClient, ops: OpsStore
) -> None:
    (before,) = yarn.applications([APP])
    fine, log = airflow.run("cdc_restart_ecommerce")
    assert fine, log[-3000:]
    (after,) = yarn.applications([APP])
    assert after.id != before.id
    assert f"{before.id} has stopped after its batch" in log
    assert ops.desired_state("ecommerce", "products") == "running"
    ended = yarn.application(before.id)
    assert ended is not None
    assert ended.final_status == "SUCCEEDED"


def test_a_changed_specification_restarts_the_stream(
    airflow, yarn: YarnClient, ops: OpsStore, pipelines_dir: Path
) -> None:
    before = ops.launch("ecommerce", "products")
    assert before is not None
    file = pipelines_dir / "ecommerce.yaml"
    file.write_text(file.read_text().replace("trigger_ms: 500", "trigger_ms: 400"))
    fine, log = airflow.run(DAG)
    assert fine, log[-3000:]
    after = ops.launch("ecommerce", "products")
    assert after is not None
    assert after.spec_hash != before.spec_hash
    assert ops.desired_state("ecommerce", "products") == "running"
    assert [a.id for a in yarn.applications([APP])] == [after.application_id]
