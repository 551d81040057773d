"""The commands that the README promises, as a person types them in an activated shell."""

from __future__ import annotations

import json

import pytest

APP = "cdc-ecommerce-customers"


def test_make_status_lists_components_drivers_and_executors(stack):
    rows = json.loads(stack.command("status", "--json").stdout)
    names = {row["name"]: row for row in rows}
    for name in ("source", "kafka", "connect", "clickhouse", "resourcemanager", "airflow-scheduler"):
        assert names[name]["state"] == "running"
        assert names[name]["pid"] > 0
    for stream in ("customers", "products", "orders"):
        assert names[f"driver:cdc-ecommerce-{stream}"]["pid"] > 0
        assert any(name.startswith(f"executor:cdc-ecommerce-{stream}:") for name in names)


def test_the_contract_for_outside_tools_is_complete(stack):
    printed = dict(line.split("=", 1) for line in stack.command("env").stdout.splitlines())
    wanted = (
        "SOURCE_DSN", "WAREHOUSE_DSN", "OPS_DSN", "CLICKHOUSE_URL",
        "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_CONNECT_URL", "KAFKA_TOPIC_PREFIX", "YARN_RM_URL",
        "HADOOP_CONF_DIR", "AIRFLOW_URL", "AIRFLOW_USER", "AIRFLOW_PASSWORD",
        "SMTP_HOST", "SMTP_PORT", "MAIL_DIR", "LOG_DIR",
        "CHECKPOINT_ROOT",
    )  # fmt: skip
    assert [name for name in wanted if not printed.get(name)] == []
    assert printed["KAFKA_TOPIC_PREFIX"] == "dbserver1"


@pytest.mark.drill  # tests/spark/test_driver.py has the same beside components of its own
def test_a_job_runs_in_the_foreground(stack):
    done = stack.shell("python spark_jobs/run_cdc_job.py --job-type customers --debug --once", 800)
    assert done.returncode == 0


def test_a_dry_run_prints_the_whole_submission(stack):
    done = stack.shell("./scripts/submit_job.sh --job-type customers --master yarn --dry-run")
    assert done.returncode == 0
    for expected in ("spark-submit", "--deploy-mode cluster", "run_cdc_job.py", "--job-type customers"):
        assert expected in done.stdout


@pytest.mark.drill
def test_a_job_is_submitted_to_yarn_by_hand(stack, eventually):
    assert stack.shell("cdc stream stop customers").returncode == 0
    assert stack.live(APP) == []
    assert stack.shell("./scripts/submit_job.sh --job-type customers --master yarn").returncode == 0
    eventually(lambda: [app.state for app in stack.live(APP)] == ["RUNNING"], 180)
    run = stack.run_dag("cdc_stream_customers", limit_s=300)
    assert run.state == "success", stack.api.explain(run)
    assert len(stack.live(APP)) == 1


@pytest.mark.drill
def test_airflow_dags_test_registers_the_connectors(stack):
    done = stack.shell("airflow dags test cdc_connectors", 800)
    assert done.returncode == 0


def test_the_notebook_runs(stack, tmp_path):
    done = stack.shell(f"python notebooks/execute.py --output {tmp_path}/executed.ipynb", 800)
    assert done.returncode == 0
    assert (tmp_path / "executed.ipynb").stat().st_size > 10_000
