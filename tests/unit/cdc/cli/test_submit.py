"""`submit_job.sh` and its program: a job in the foreground is ended with the command."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from cdc.connections import Connection, Connections
from tests.unit.cdc.conftest import SAMPLE

IDS = ("cdc_source", "cdc_kafka", "cdc_ops", "cdc_clickhouse", "cdc_warehouse")
SPARK_SUBMIT = """#!/bin/sh
trap 'touch "$SPARK_HOME/ended"; kill $!; exit 143' TERM
echo "$CDC_CONNECTIONS_FILE" > "$SPARK_HOME/new"
mv "$SPARK_HOME/new" "$SPARK_HOME/running"
sleep 60 & wait
"""


def test_a_job_that_is_asked_to_end_does_so_and_leaves_no_passwords_behind(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "spark-submit"
    program.parent.mkdir()
    program.write_text(SPARK_SUBMIT)
    program.chmod(0o755)
    every = Connections(Connection(id=name, conn_type="x") for name in IDS)
    (tmp_path / "connections.json").write_text(json.dumps(every.to_document()))
    # A copy: outside a stack the command lays what it submits beside the pipeline.
    pipelines = tmp_path / "pipelines"
    pipelines.mkdir()
    shutil.copy(SAMPLE, pipelines)
    env = {
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
    argv = [sys.executable, "-m", "cdc.cli", "submit", "--job-type", "customers", "--master", "local[1]"]
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True) as command:
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
