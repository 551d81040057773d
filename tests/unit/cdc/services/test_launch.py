"""What spark-submit is told."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cdc.services.launch import (
    APPLICATION,
    Submission,
    build_py_files,
    command_line,
    stream_memory_mb,
    submission,
)
from cdc.settings import Settings
from cdc.spec import Pipeline


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "jars" / "spark").mkdir(parents=True)
    (tmp_path / "jars" / "spark" / "kafka.jar").touch()
    return Settings(
        cdc_home=tmp_path,
        cdc_jars=tmp_path / "jars",
        checkpoint_root="/checkpoints",
        spark_home=Path("/spark"),
        pyspark_python="/venv/bin/python",
        hadoop_conf_dir=Path("/hadoop"),
    )


def describe(pipeline: Pipeline, settings: Settings, master: str = "yarn") -> Submission:
    files = (Path("/run/connections.json"), Path("/pipelines/shop.yaml"))
    return submission(
        pipeline, pipeline.stream("orders"), settings, *files, py_files=[Path("/z.zip")], master=master
    )


def test_yarn_gets_the_driver_with_its_files_and_tags(pipeline: Pipeline, settings: Settings) -> None:
    described = describe(pipeline, settings)
    conf = described.conf
    assert described.deploy_mode == "cluster"
    assert described.files == (
        "/run/connections.json#connections.json",
        "/pipelines/shop.yaml#ecommerce.yaml",
    )
    spec_hash = pipeline.spec_hash(pipeline.stream("orders"))
    assert conf["spark.yarn.tags"] == f"cdc-ecommerce-orders,cdc-ecommerce-orders-spec-{spec_hash}"
    assert described.jars == (f"local:{settings.cdc_jars}/spark/kafka.jar",)
    assert conf["spark.yarn.appMasterEnv.CHECKPOINT_ROOT"] == "/checkpoints"
    assert conf["spark.executorEnv.CDC_CONNECTIONS_FILE"] == "connections.json"
    assert described.env["HADOOP_CONF_DIR"] == "/hadoop"
    assert described.application_args == (
        "--job-type", "orders", "--pipeline", "ecommerce", "--env", "dev",
    )  # fmt: skip


def test_a_local_master_runs_the_driver_here(pipeline: Pipeline, settings: Settings) -> None:
    described = describe(pipeline, settings, "local[2]")
    assert (described.deploy_mode, described.files) == ("client", ())
    assert described.env["CDC_CONNECTIONS_FILE"] == "/run/connections.json"
    assert not any(name.startswith("spark.yarn") for name in described.conf)


def test_the_command_line_holds_it_all(pipeline: Pipeline, settings: Settings) -> None:
    command = command_line(describe(pipeline, settings))
    assert command[:7] == [
        "spark-submit", "--master", "yarn", "--deploy-mode", "cluster", "--name", "cdc-ecommerce-orders",
    ]  # fmt: skip
    assert command[command.index("--py-files") + 1] == "/z.zip"
    assert command[command.index(str(APPLICATION)) + 1 :][:2] == ["--job-type", "orders"]


def test_no_secret_is_in_the_command_line(pipeline: Pipeline, settings: Settings) -> None:
    assert "password=" not in " ".join(command_line(describe(pipeline, settings)))


def test_archives_are_the_same_for_the_same_sources(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in build_py_files(tmp_path / "a")]
    again = [path.read_bytes() for path in build_py_files(tmp_path / "b")]
    assert first == again
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["cdc.zip", "cdc_spark.zip"]


def test_the_library_works_from_its_archive(tmp_path: Path) -> None:
    library, _ = build_py_files(tmp_path)
    assert "cdc/ops/schema.sql" in zipfile.ZipFile(library).namelist()
    code = (
        "import cdc, importlib.resources as r; from cdc.model.version import pack; print(cdc.__file__);"
        "print(len(r.files('cdc.ops').joinpath('schema.sql').read_text()) > 1000)"
    )
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(library)!r}); {code}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert said == [f"{library}/cdc/__init__.py", "True"]


def test_memory_counts_heap_and_overhead_of_every_container(pipeline: Pipeline) -> None:
    assert stream_memory_mb(pipeline) == 512 + 384 + 512 + 640


def test_a_run_that_ends_by_itself_is_never_taken_for_the_streams_driver(
    pipeline: Pipeline, settings: Settings
) -> None:
    files = (Path("/run/connections.json"), Path("/pipelines/shop.yaml"))
    arguments = ("--replay-dead-letters", "--tables", "orders_fact")
    described = submission(
        pipeline, pipeline.stream("orders"), settings, *files, extra_args=arguments, purpose="replay"
    )
    assert described.name == "cdc-ecommerce-orders-replay"
    assert described.conf["spark.yarn.tags"] == "cdc-ecommerce-orders-replay"
    assert described.conf["spark.yarn.maxAppAttempts"] == "1"
    assert described.application_args[-3:] == arguments
    here = submission(
        pipeline, pipeline.stream("orders"), settings, *files, master="local[1]", purpose="replay"
    )
    assert "spark.yarn.tags" not in here.conf
