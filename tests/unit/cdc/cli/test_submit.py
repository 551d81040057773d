"""`submit_job.sh` and its program: a job ends with the command, a dry run names what is there."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cdc.connections import Connection, Connections
from tests.unit.cdc.conftest import SAMPLE

ARGV = [sys.executable, "-m", "cdc.cli", "submit", "--job-type", "customers", "--master", "local[1]"]
IDS = ("cdc_source", "cdc_kafka", "cdc_ops", "cdc_clickhouse", "cdc_warehouse")
SPARK_SUBMIT = """#!/bin/sh
trap 'touch "$SPARK_HOME/ended"; kill $!; exit 143' TERM
echo "$CDC_CONNECTIONS_FILE" > "$SPARK_HOME/new"
mv "$SPARK_HOME/new" "$SPARK_HOME/running"
sleep 60 & wait
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Of a Spark whose spark-submit waits, and a copy of the sample: a dry run lays archives beside it."""
    program = tmp_path / "bin" / "spark-submit"
    program.parent.mkdir()
    program.write_text(SPARK_SUBMIT)
    program.chmod(0o755)
    every = Connections(Connection(id=name, conn_type="x") for name in IDS)
    (tmp_path / "connections.json").write_text(json.dumps(every.to_document()))
    pipelines = tmp_path / "pipelines"
    pipelines.mkdir()
    shutil.copy(SAMPLE, pipelines)
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "CDC_CONNECTIONS_FILE": str(tmp_path / "connections.json"),
        "CDC_PIPELINES_DIR": str(pipelines),
        "CDC_JARS": str(tmp_path / "jars"),
        "CHECKPOINT_ROOT": str(tmp_path / "checkpoints"),
        "SPARK_HOME": str(tmp_path),
        "PYSPARK_PYTHON": sys.executable,
        "HADOOP_CONF_DIR": str(tmp_path),
    }


def test_a_job_that_is_asked_to_end_does_so_and_leaves_no_passwords_behind(
    tmp_path: Path, env: dict[str, str]
) -> None:
    with subprocess.Popen(ARGV, env=env, stderr=subprocess.PIPE, text=True) as command:
        deadline = time.monotonic() + 60
        while not (tmp_path / "running").exists():
            assert command.poll() is None, command.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        given = Path((tmp_path / "running").read_text().strip())
        assert given.exists()
        command.send_signal(signal.SIGTERM)
        assert command.wait(30) == 143
    assert (tmp_path / "ended").exists()
    assert not given.parent.exists()
    assert not (tmp_path / "pipelines" / ".submit").exists()


@pytest.mark.parametrize("master", ["local[1]", "yarn"])
def test_a_dry_run_prints_a_command_that_finds_what_it_names(env: dict[str, str], master: str) -> None:
    argv = [*ARGV[:-1], master, "--dry-run"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    words = shlex.split(done.stdout)
    archives = words[words.index("--py-files") + 1].split(",")
    assert [Path(archive).name for archive in archives] == ["cdc.zip", "cdc_spark.zip"]
    assert all(Path(archive).is_file() for archive in archives)


def test_without_spark_the_command_says_what_is_missing(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "bin" / "spark-submit").unlink()
    done = subprocess.run(ARGV, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("ConfigurationError")
    assert "SPARK_HOME must name a Spark distribution" in done.stderr
