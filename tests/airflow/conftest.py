"""Airflow for tests: an own home, a metadata database made once, and the real components around it."""

from __future__ import annotations

import json
import mailbox
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.header import decode_header, make_header
from pathlib import Path
from typing import cast

import pytest

from cdc.clients.yarn import YarnClient
from cdc.connections import Connections
from cdc.ops import OpsStore
from cdc.services.reach import yarn_of
from local_stack.component import StackContext
from local_stack.components.spark import spark_environment
from local_stack.context import REPO, Places
from local_stack.stack import LocalStack
from tests.airflow.dag_test import DagTest

_environment = runpy.run_path(str(Path(__file__).parent / "environment.py"))
HOME: Path = _environment["set_environment"]()
ReadMails = Callable[[], list[tuple[str, str]]]


def pytest_unconfigure() -> None:
    _environment["remove_home"]()


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """AIRFLOW_HOME with a migrated database."""
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    return HOME


@dataclass(frozen=True)
class AirflowCli:
    """Runs DAGs as a person does in an activated shell."""

    env: dict[str, str]
    logs: Path

    def start(self, dag_id: str, **params: object) -> DagTest:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.env.items():
                patch.setenv(name, value)
            return DagTest(self.logs, dag_id, "--conf", json.dumps(params))

    def store(self) -> None:
        """Store the DAGs, as the DAG processor does; a DAG that triggers another looks there for it."""
        command = [sys.executable, "-m", "airflow", "dags", "reserialize"]
        subprocess.run(command, env=self.env, check=True, capture_output=True, timeout=180)

    def run(self, dag_id: str, **params: object) -> tuple[bool, str]:
        """Run the DAG to its end; whether it succeeded, and its log."""
        return self.start(dag_id, **params).result()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackContext]:
    """Every component but Airflow's own, whose tasks run in the tests' processes."""
    sys.path.append(str(REPO))
    home = tmp_path_factory.mktemp("stack")
    local = LocalStack(
        Places(REPO, home, REPO / ".local" / "jars"),
        "tests.airflow.small_stack:components",
        env={**os.environ, "PYTHONPATH": str(REPO)},
        prerequisites=lambda *_: None,
    )
    try:
        ctx = local.start()
        local.wait_until_ready()
        yield ctx
    finally:
        local.stop()
        sys.path.remove(str(REPO))


@pytest.fixture(scope="session")
def pipelines_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample with one stream only: products, and limits that a test can wait for."""
    folder = tmp_path_factory.mktemp("pipelines")
    lines = (REPO / "include" / "pipelines" / "ecommerce.yaml").read_text().splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("  - source: ")]
    end = lines.index("environments:")
    products = next(number for number in starts if "public.products" in lines[number])
    after = min(number for number in [*starts, end] if number > products)
    text = "\n".join([*lines[: starts[0]], *lines[products:after], *lines[end:]])
    text = text.replace("max_progress_age_s: 120", "max_progress_age_s: 40")
    (folder / "ecommerce.yaml").write_text(text.replace("poll_interval_ms: 20 ", "poll_interval_ms: 200 "))
    return folder


@pytest.fixture(scope="session")
def airflow(
    airflow_home: Path, stack: StackContext, pipelines_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> AirflowCli:
    """`airflow` with the stack's environment, its connections, and the small pipeline."""
    backend = json.dumps({"connections_file_path": str(stack.connections_file)})
    return AirflowCli(
        {
            **os.environ,
            **stack.stack_env(),
            "CDC_PIPELINES_DIR": str(pipelines_dir),
            "AIRFLOW__SECRETS__BACKEND_KWARGS": backend,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            # spark-submit's own JVM takes a quarter of the machine when it is left alone.
            "SPARK_SUBMIT_OPTS": f"-Xmx256m {spark_environment(stack)['SPARK_SUBMIT_OPTS']}",
        },
        tmp_path_factory.mktemp("logs"),
    )


@pytest.fixture(scope="module")
def connections(stack: StackContext) -> Connections:
    """Of the stack."""
    return Connections.from_file(stack.connections_file)


@pytest.fixture
def ops(connections: Connections) -> Iterator[OpsStore]:
    """The stack's ops store."""
    with OpsStore(connections.get("cdc_ops")) as store:
        yield store


@pytest.fixture(scope="module")
def yarn(connections: Connections) -> YarnClient:
    """The stack's YARN."""
    return yarn_of(connections)


@pytest.fixture
def mails(stack: StackContext) -> ReadMails:
    """Subject and text of every mail caught so far, taken out of the box."""
    box = mailbox.Maildir(stack.stack_env()["MAIL_DIR"])

    def read() -> list[tuple[str, str]]:
        found = []
        for key in list(box.keys()):
            mail = box[key]
            parts = [
                cast("bytes", part.get_payload(decode=True)).decode()
                for part in mail.walk()
                if not part.is_multipart()
            ]
            found.append((str(make_header(decode_header(mail["Subject"]))), "".join(parts)))
            box.remove(key)
        return found

    return read
