"""Every DAG file parses quickly, without a connection to anything, and is fit for people."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.models.dagbag import DagBag
from airflow.sdk import DAG, Asset, timezone
from airflow.serialization.serialized_objects import DagSerialization

from cdc.errors import SpecError
from cdc_airflow.checks import Check, health_checks
from cdc_airflow.operators.read_pipeline_files import ReadPipelineFilesOperator
from cdc_airflow.pipelines import declared_pipelines
from cdc_airflow.sensors.check import HealthSensor

REPO = Path(__file__).resolve().parents[2]
DAG_IDS = {
    "cdc_backfill",
    "cdc_clickhouse_maintenance",
    "cdc_connectors",
    "cdc_dead_letter_replay",
    "cdc_health",
    "cdc_partition_watch",
    "cdc_reconciliation",
    "cdc_restart_ecommerce",
    "cdc_replay",
    "cdc_resync",
    "cdc_schema",
    "cdc_schema_change",
    "cdc_stream_customers",
    "cdc_stream_orders",
    "cdc_stream_products",
    "cdc_watermarks",
    "example_daily_revenue",
}


@pytest.fixture(scope="module")
def dagbag(airflow_home: Path) -> DagBag:
    # The first parse also imports Airflow's own modules, which the DAG processor has in memory.
    return DagBag(dag_folder=str(REPO / "dags"))


@pytest.fixture(params=sorted(DAG_IDS))
def dag(request: pytest.FixtureRequest, dagbag: DagBag) -> DAG:
    found: DAG = dagbag.dags[request.param]
    return found


def test_all_parse(dagbag: DagBag) -> None:
    assert dagbag.import_errors == {}
    assert set(dagbag.dags) == DAG_IDS


def test_parse_in_two_seconds_and_open_no_connection(dagbag: DagBag, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError(f"a DAG file connects to {args[1:]} while it is parsed")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    # Of CPU: how long that takes is up to what else runs.
    began = time.process_time()
    again = DagBag(dag_folder=str(REPO / "dags"))
    assert time.process_time() - began < 2
    assert again.import_errors == {}


def in_a_fresh_process(script: str) -> list[str]:
    """What a script prints in its last line, a list."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    last: list[str] = json.loads(done.stdout.strip().splitlines()[-1])
    return last


PARSE_ALL = (
    "import runpy, sys, glob, json\n"
    f"[runpy.run_path(f) for f in sorted(glob.glob({str(REPO / 'dags' / '*.py')!r}))]\n"
)


def test_parsing_imports_no_client_and_no_driver() -> None:
    """Whoever parses without Airflow's own start, as an editor does, needs no client."""
    found = in_a_fresh_process(
        "import sys, types\n"
        "sys.modules['airflow_local_settings'] = types.SimpleNamespace(__all__=[], __file__='')\n"
        f"{PARSE_ALL}"
        "heavy = {'psycopg', 'confluent_kafka', 'clickhouse_connect', 'pyspark', 'pyarrow', 'pandas'}\n"
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    assert found == []


def test_what_dag_files_import_is_loaded_before_a_process_is_forked_for_each() -> None:
    found = in_a_fresh_process(
        "import sys, airflow.sdk\n"
        "before = set(sys.modules)\n"
        f"{PARSE_ALL}"
        "ours = {'cdc', 'aiosmtplib', 'pydantic_settings', 'psycopg', 'requests'}\n"
        "print(json.dumps(sorted(m for m in set(sys.modules) - before if m.partition('.')[0] in ours)))"
    )
    assert found == []


def test_what_begins_with_a_module_of_ours_can_import_airflow() -> None:
    """Airflow then loads the others while the first one waits for it."""
    assert in_a_fresh_process("import cdc_airflow.findings; print('[]')") == []


def test_dag_files_are_wiring_only() -> None:
    for file in (REPO / "dags").glob("*.py"):
        assert len(file.read_text().splitlines()) <= 90, file


def test_says_what_it_is(dag: DAG) -> None:
    assert dag.description
    assert dag.doc_md
    assert "cdc" in dag.tags
    assert dag.catchup is False
    # Runs that wait for a person must not hold up each other.
    waits = dag.dag_id in ("cdc_schema_change", "cdc_resync")
    assert 1 <= dag.max_active_runs <= (32 if waits else 2)


def test_every_parameter_has_a_form_field_with_a_title_and_a_text(dag: DAG) -> None:
    assert dag.params
    for name in dag.params:
        field = dag.params.get_param(name)
        assert field.schema.get("title"), name
        assert field.description, name


def test_every_failure_sends_a_mail(dag: DAG) -> None:
    for task in dag.tasks:
        callbacks = task.on_failure_callback
        assert isinstance(callbacks, Sequence), task.task_id
        assert [type(callback).__name__ for callback in callbacks] == ["FailureMail"], task.task_id


def test_what_runs_every_few_minutes_mails_its_first_failure_only(dag: DAG) -> None:
    if dag.dag_id == "cdc_health" or dag.dag_id.startswith("cdc_stream_"):
        for task in dag.tasks:
            callbacks = task.on_failure_callback
            assert isinstance(callbacks, Sequence), task.task_id
            assert [getattr(callback, "once", None) for callback in callbacks] == [True], task.task_id


def test_can_be_stored_and_read_back(dag: DAG) -> None:
    stored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    assert stored.dag_id == dag.dag_id
    assert stored.timetable.summary


def test_the_connectors_dag_wakes_the_streams(dagbag: DagBag) -> None:
    applied = Asset(name="cdc_ecommerce_applied", uri="cdc://ecommerce/applied")
    waits = dagbag.dags["cdc_connectors"].get_task("ecommerce.wait_for_connector")
    assert [(outlet.name, outlet.uri) for outlet in waits.outlets] == [(applied.name, applied.uri)]
    for stream in ("customers", "orders", "products"):
        condition = dagbag.dags[f"cdc_stream_{stream}"].timetable.asset_condition
        assert [asset.uri for asset in condition.objects] == [applied.uri]


def test_the_watermarks_dag_tells_of_each_table_and_the_example_waits_for_its_own(dagbag: DagBag) -> None:
    proves = dagbag.dags["cdc_watermarks"].get_task("prove_ecommerce")
    assert [outlet.name for outlet in proves.outlets] == ["cdc_ecommerce_watermarks"]
    condition = dagbag.dags["example_daily_revenue"].timetable.asset_condition
    assert {asset.uri for asset in condition.objects} == {
        f"cdc://ecommerce/{sink}/{table}"
        for sink in ("clickhouse", "warehouse")
        for table in ("orders_fact", "order_items")
    }


def test_every_check_of_the_health_dag_is_known_to_whoever_ends_the_incidents_of_others(
    dagbag: DagBag,
) -> None:
    tasks = [task for task in dagbag.dags["cdc_health"].tasks if isinstance(task, HealthSensor)]
    (pipeline,) = declared_pipelines()
    made = [Check(task.kind, task.pipeline, task.stream) for task in tasks]
    assert sorted(check.name for check in made) == sorted(check.name for check in health_checks(pipeline))
    assert len({check.name for check in made}) == len(made) == 10


@pytest.mark.parametrize(
    ("dag_id", "minutes"), [("cdc_reconciliation", 240), ("cdc_clickhouse_maintenance", 180)]
)
def test_long_runs_have_a_deadline_whose_callback_the_triggerer_can_import(
    dagbag: DagBag, dag_id: str, minutes: int
) -> None:
    (deadline,) = dagbag.dags[dag_id].deadline
    assert deadline.interval == timedelta(minutes=minutes)
    assert deadline.callback.kwargs == {"pipelines": ["ecommerce"], "minutes": minutes}
    module, _, name = deadline.callback.path.rpartition(".")
    assert inspect.iscoroutinefunction(getattr(importlib.import_module(module), name))


def test_the_replay_dag_has_a_task_for_each_stream_and_a_form_that_narrows_it(dagbag: DagBag) -> None:
    dag = dagbag.dags["cdc_dead_letter_replay"]
    assert {task.task_id for task in dag.tasks} == {
        f"ecommerce.replay_{stream}" for stream in ("customers", "orders", "products")
    }
    assert not dag.timetable.can_be_scheduled
    assert set(dag.params) == {"pipeline", "table", "sink"}
    assert "orders_fact" in dag.params.get_param("table").schema["enum"]


def test_a_broken_pipeline_file_is_named_in_the_import_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = (REPO / "include" / "pipelines" / "ecommerce.yaml").read_text()
    (tmp_path / "shop.yaml").write_text(sample.replace("partitions: 3", "partitions: none"))
    monkeypatch.setenv("CDC_PIPELINES_DIR", str(tmp_path))
    bag = DagBag(dag_folder=str(REPO / "dags" / "cdc_health.py"))
    (error,) = bag.import_errors.values()
    assert "shop.yaml:" in error
    assert "kafka.partitions" in error


@pytest.mark.parametrize("name", ["cdc_health", "cdc_connectors", "cdc_streams", "cdc_reconciliation"])
def test_a_broken_file_takes_no_other_pipeline_s_dags_along(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = (REPO / "include" / "pipelines" / "ecommerce.yaml").read_text()
    (tmp_path / "a.yaml").write_text(sample.replace("partitions: 3", "partitions: none"))
    (tmp_path / "b.yaml").write_text(sample)
    monkeypatch.setenv("CDC_PIPELINES_DIR", str(tmp_path))
    bag = DagBag(dag_folder=str(REPO / "dags" / f"{name}.py"))
    assert bag.import_errors == {}
    assert all("ecommerce" in dag.tags for dag in bag.dags.values())
    with pytest.raises(SpecError, match=r"a\.yaml:\d+: kafka\.partitions.* its pipeline has no DAGs"):
        ReadPipelineFilesOperator(task_id="t").execute({})


@pytest.mark.parametrize("name", ["cdc_backfill", "cdc_resync", "cdc_connectors", "cdc_streams"])
def test_a_folder_without_pipelines_is_said_in_words(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDC_PIPELINES_DIR", str(tmp_path))
    bag = DagBag(dag_folder=str(REPO / "dags" / f"{name}.py"))
    (error,) = bag.import_errors.values()
    assert f"{tmp_path}:0: -: holds no *.yaml file; expected one for each pipeline" in error


def test_airflow_takes_no_module_of_the_package_for_a_plugin(airflow_home: Path) -> None:
    """Airflow imports every plugin file under its bare name, where it could shadow another module."""
    script = (
        "import sys\n"
        "from airflow import plugins_manager\n"
        "plugins_manager.ensure_plugins_loaded()\n"
        "print(sorted(n for n, m in list(sys.modules.items())"
        " if 'cdc_airflow' in str(getattr(m, '__file__', '') or '') and not n.startswith('cdc_airflow')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=os.environ,
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_backfill_and_resync_are_run_by_hand_and_a_resync_asks_first(dagbag: DagBag) -> None:
    backfill, resync = dagbag.dags["cdc_backfill"], dagbag.dags["cdc_resync"]
    assert not backfill.timetable.can_be_scheduled
    assert not resync.timetable.can_be_scheduled
    form = {"pipeline", "table", "scope", "from_key", "until_key", "where", "method", "anew"}
    assert set(backfill.params) == form
    assert backfill.params.get_param("scope").schema["enum"] == ["everything", "key range", "condition"]
    templated = set(backfill.get_task("ecommerce.backfill").template_fields)
    assert form - {"pipeline"} <= templated
    assert set(resync.params) == {"pipeline", "table", "approved"}
    assert resync.params["approved"] is False
    assert resync.get_task("ecommerce.resync").upstream_task_ids == {"ecommerce.approve_resync"}
    assert resync.get_task("ecommerce.approve_resync").execution_timeout is None


def test_days_are_replayed_when_somebody_asks_and_the_scheduler_asks_for_none(dagbag: DagBag) -> None:
    dag = dagbag.dags["cdc_replay"]
    assert set(dag.params) == {"pipeline", "table", "from", "until", "sink", "anew"}
    stored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    assert stored.next_dagrun_info(last_automated_run_info=None) is None

    def airflow(*words: str) -> str:
        command = [sys.executable, "-m", "airflow", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    airflow("dags", "reserialize")
    days = ("--from-date", "2026-01-01", "--to-date", "2026-01-03")
    airflow("backfill", "create", "--dag-id", "cdc_replay", *days, "--dag-run-conf", '{"table": "customers"}')
    listed = airflow("dags", "list-runs", "cdc_replay", "--output", "json")
    runs = json.loads(listed[listed.index("[{") :])
    assert sorted(run["logical_date"][:10] for run in runs) == ["2026-01-01", "2026-01-02", "2026-01-03"]


def test_the_wait_for_an_approval_has_no_limit(dagbag: DagBag) -> None:
    approve = dagbag.dags["cdc_schema_change"].get_task("ecommerce.approve_change")
    assert approve.execution_timeout is None
    assert approve.response_timeout is None
    assert [type(notifier).__name__ for notifier in approve.notifiers] == ["ApprovalMail"]


def test_the_restart_dag_goes_on_past_a_stopped_stream_and_not_past_one_that_does_not_come_back(
    dagbag: DagBag,
) -> None:
    dag = dagbag.dags["cdc_restart_ecommerce"]
    order = [task.task_id for task in dag.topological_sort()]
    assert order == [
        f"{step}_{stream}" for stream in ("customers", "products", "orders") for step in ("restart", "wait")
    ]
    for stream in ("customers", "products", "orders"):
        restart = dag.get_task(f"restart_{stream}")
        assert restart.trigger_rule == "none_failed"
        assert (restart.action, restart.only_wanted) == ("restart", True)
    assert not dag.timetable.can_be_scheduled


def test_a_reconciliation_s_runs_are_about_the_days_between_them(dagbag: DagBag) -> None:
    """What `airflow backfill create` makes runs of."""
    dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dagbag.dags["cdc_reconciliation"]))
    begin, end = (timezone.datetime(2026, 3, day) for day in (1, 3))
    infos = list(dag.iter_dagrun_infos_between(begin, end))
    intervals = [info.data_interval for info in infos if info.data_interval is not None]
    assert [(i.start.day, i.end.day) for i in intervals] == [(1, 2), (2, 3), (3, 4)]
    assert dag.timetable.periodic


def test_the_maintenance_dag_checks_what_kafka_keeps(dagbag: DagBag) -> None:
    dag = dagbag.dags["cdc_clickhouse_maintenance"]
    check = dag.get_task("ecommerce.check_retention")
    assert (check.kind, check.grace_s) == ("retention", 0)
    assert check.only == "{{ params.pipeline }}"
