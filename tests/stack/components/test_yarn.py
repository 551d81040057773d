"""YARN: a real Spark application that outlives both daemons, and does not outlive the stack."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from local_stack.component import StackContext
from local_stack.components import spark_environment
from local_stack.components.hadoop import container_dir
from local_stack.components.processes import processes_working_in
from local_stack.components.spark import class_archive, write_spark_conf
from local_stack.components.yarn import NodeManager, ResourceManager, resourcemanager_url
from tests.stack.components.running import Runner

# It waits inside the JVM, as a stream does in `awaitTermination`, so that its Python ends with the JVM: a
# NodeManager that was started again takes a container for alive while anything of its group is.
APPLICATION = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print(spark.range(10).count(), flush=True)
spark.sparkContext._jvm.java.lang.Thread.sleep(1200000)
"""


@pytest.fixture(scope="module")
def resourcemanager(runner: Runner) -> ResourceManager:
    resourcemanager = ResourceManager()
    runner.start(resourcemanager)
    return resourcemanager


@pytest.fixture(scope="module")
def nodemanager(runner: Runner, resourcemanager: ResourceManager) -> NodeManager:
    nodemanager = NodeManager()
    runner.start(nodemanager)
    return nodemanager


@pytest.fixture(scope="module")
def application(ctx: StackContext, nodemanager: NodeManager, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of an application whose driver runs in a container."""
    script = tmp_path_factory.mktemp("application") / "sleeper.py"
    script.write_text(APPLICATION)
    environment = spark_environment(ctx)
    argv = [
        str(Path(environment["SPARK_HOME"]) / "bin" / "spark-submit"),
        *("--master", "yarn", "--deploy-mode", "cluster", "--name", "sleeper"),
        *("--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1"),
        *("--conf", "spark.yarn.submit.waitAppCompletion=false", str(script)),
    ]
    done = subprocess.run(
        argv, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    wait_until(lambda: bool(apps(ctx)) and apps(ctx)[0]["state"] == "RUNNING", 180)
    wait_until(lambda: bool(containers(ctx, "YarnCoarseGrainedExecutorBackend")), 180)
    return str(apps(ctx)[0]["id"])


def wait_until(condition: object, seconds: float) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.3)


def apps(ctx: StackContext) -> list[dict[str, object]]:
    answer = requests.get(f"{resourcemanager_url(ctx)}/ws/v1/cluster/apps", timeout=10).json()
    return list((answer["apps"] or {}).get("app", []))


def attempts(ctx: StackContext, application: str) -> int:
    url = f"{resourcemanager_url(ctx)}/ws/v1/cluster/apps/{application}/appattempts"
    return len(requests.get(url, timeout=10).json()["appAttempts"]["appAttempt"])


def containers(ctx: StackContext, word: str) -> set[int]:
    """JVMs of containers of this stack whose command line has a word."""
    found: set[int] = set()
    for process in processes_working_in(container_dir(ctx)):
        try:
            command = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if command and command[0].endswith("java") and any(word in part for part in command):
            found.add(process.pid)
    return found


class TestClassArchive:
    def test_drivers_and_executors_map_spark_s_classes_instead_of_reading_them(
        self, ctx: StackContext, application: str
    ) -> None:
        archive = class_archive(ctx.jars, ctx.java_home).file
        assert archive.exists(), "`rm .venv/.complete; make bootstrap` makes it"
        running = containers(ctx, "ApplicationMaster") | containers(ctx, "YarnCoarseGrainedExecutorBackend")
        assert len(running) == 2
        for pid in running:
            maps = psutil.Process(pid).memory_maps
            wait_until(lambda maps=maps: str(archive) in {mapped.path for mapped in maps()}, 60)

    def test_so_does_spark_submit(self, ctx: StackContext, tmp_path: Path) -> None:
        write_spark_conf(ctx)
        environment = spark_environment(ctx)
        environment["SPARK_SUBMIT_OPTS"] += f" -Xlog:class+load:file={tmp_path / 'classes.log'}"
        argv = [str(Path(environment["SPARK_HOME"]) / "bin" / "spark-submit"), "--version"]
        subprocess.run(argv, env={**os.environ, **environment}, capture_output=True, check=True, timeout=120)
        loaded = (tmp_path / "classes.log").read_text().splitlines()
        [line] = [line for line in loaded if " org.apache.spark.deploy.SparkSubmit source:" in line]
        assert line.endswith("source: shared objects file (top)")


class TestRecovery:
    def test_a_killed_nodemanager_finds_its_containers_again(
        self, ctx: StackContext, runner: Runner, nodemanager: NodeManager, application: str
    ) -> None:
        before = containers(ctx, "")
        runner.kill_and_start(nodemanager)
        assert containers(ctx, "") == before
        assert apps(ctx)[0]["state"] == "RUNNING"

    def test_a_killed_resourcemanager_knows_its_applications_again(
        self, ctx: StackContext, runner: Runner, resourcemanager: ResourceManager, application: str
    ) -> None:
        before = containers(ctx, "")
        runner.kill_and_start(resourcemanager)
        wait_until(lambda: bool(apps(ctx)) and apps(ctx)[0]["state"] == "RUNNING", 120)
        assert containers(ctx, "") == before
        assert attempts(ctx, application) == 1

    def test_a_killed_driver_gets_a_second_attempt(self, ctx: StackContext, application: str) -> None:
        (driver,) = containers(ctx, "ApplicationMaster")
        psutil.Process(driver).kill()
        wait_until(lambda: attempts(ctx, application) == 2, 120)
        wait_until(lambda: bool(containers(ctx, "ApplicationMaster") - {driver}), 120)

    def test_nothing_listens_outside_loopback(self, ctx: StackContext, application: str) -> None:
        wait_until(lambda: bool(containers(ctx, "YarnCoarseGrainedExecutorBackend")), 180)
        addresses = {
            connection.laddr.ip
            for pid in containers(ctx, "")
            for connection in psutil.Process(pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert addresses
        assert addresses <= {"127.0.0.1", "::ffff:127.0.0.1"}


class TestStop:
    @pytest.fixture
    def bystander(self, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
        yield process
        process.kill()
        process.wait()

    def test_containers_end_with_the_stack_and_nothing_else_does(
        self,
        ctx: StackContext,
        runner: Runner,
        nodemanager: NodeManager,
        application: str,
        bystander: subprocess.Popen[bytes],
    ) -> None:
        assert containers(ctx, "")
        runner.stop(nodemanager)
        assert processes_working_in(container_dir(ctx)) == []
        assert bystander.poll() is None
