"""What a driver that the command submits is given, by a program in spark-submit's place that keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdc.connections import Connection, Connections
from cdc.services.submit import run_here, submit
from cdc.settings import Settings
from cdc.spec import Pipeline
from tests.unit.cdc.conftest import SAMPLE

SPARK_SUBMIT = """#!/bin/sh
for argument; do
  case $argument in *'#connections.json'*) CDC_CONNECTIONS_FILE=${argument%%#*} ;; esac
done
cp --preserve=mode "$CDC_CONNECTIONS_FILE" "${0%/bin/*}/given.json"
"""
EVERY = (
    "cdc_source", "cdc_source_admin", "cdc_kafka", "cdc_connect", "cdc_ops", "cdc_clickhouse",
    "cdc_warehouse", "cdc_yarn", "cdc_smtp", "cdc_spark",
)  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    program = tmp_path / "bin" / "spark-submit"
    program.parent.mkdir()
    program.write_text(SPARK_SUBMIT)
    program.chmod(0o755)
    every = Connections(Connection(id=name, conn_type="x", password=f"of {name}") for name in EVERY)
    (tmp_path / "connections.json").write_text(json.dumps(every.to_document()))
    return Settings(
        cdc_connections_file=tmp_path / "connections.json",
        cdc_jars=tmp_path / "jars",
        checkpoint_root="/checkpoints",
        spark_home=tmp_path,
        pyspark_python="/venv/bin/python",
        hadoop_conf_dir=tmp_path,
    )


@pytest.mark.parametrize("here", [False, True], ids=["on YARN", "on this machine"])
def test_a_driver_gets_its_own_connections_and_not_the_owner_s_password(
    pipeline: Pipeline, settings: Settings, here: bool
) -> None:
    stream = pipeline.stream("orders")
    if here:
        run_here(pipeline, stream, SAMPLE, settings, "replay", ["--replay-dead-letters"])
    else:
        submit(pipeline, stream, SAMPLE, settings)
    given = settings.spark_home / "given.json"
    found = Connections.from_file(given)
    assert found.ids() == ("cdc_clickhouse", "cdc_kafka", "cdc_ops", "cdc_source", "cdc_warehouse")
    assert found.get("cdc_source").password == "of cdc_source"
    assert given.stat().st_mode & 0o077 == 0
