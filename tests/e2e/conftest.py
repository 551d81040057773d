"""One whole stack for all tests of this folder: its own home below /tmp, its own ports and pipeline files.

Every test leaves the streams running, so the order of the tests does not matter. `CDC_E2E_HOME` names the
home of an earlier run to use again: it is left up, so that one test can be run many times.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from cdc.clients.yarn import Application, YarnClient
from local_stack import streams
from local_stack.component import StackContext
from local_stack.components import all_components
from local_stack.context import REPO, Places, port_specs
from local_stack.contract import IMPORT_ROOTS
from local_stack.job.airflow_api import AirflowApi, DagRun
from local_stack.job.launch import now
from local_stack.job.session import JobSession
from local_stack.ports import OTHERS, choose_ports
from local_stack.screen import StatusRow, collect_status
from local_stack.stack import LocalStack

UP_LIMIT_S = 600
FIRST = Path(__file__).with_name("test_cases.py")
LAST = "test_ctrl_c_stops_everything"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The cases come first, whose stack is down again before the whole one starts, and its end comes last."""
    items.sort(key=lambda item: (item.path != FIRST, item.name == LAST))


class WholeStack:
    """A running stack, and what a user does with it."""

    def __init__(self, home: Path) -> None:
        pipelines = home / "pipelines"
        if not pipelines.exists():
            shutil.copytree(REPO / "include" / "pipelines", pipelines)
        self.home = home
        self.pipeline_file = pipelines / "ecommerce.yaml"
        # Six queries with two batches a second each take a core while changes flow; no test is about latency.
        text = self.pipeline_file.read_text()
        for setting, slower in (("trigger_ms: 500", "2000"), ("poll_interval_ms: 20 ", "200 ")):
            assert setting in text
            text = text.replace(setting, f"{setting.partition(' ')[0]} {slower}")
        self.pipeline_file.write_text(text)
        jars = os.environ.get("CDC_JARS") or str(REPO / ".local" / "jars")
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "CDC_"))},
            "CDC_HOME": str(home),
            "CDC_JARS": jars,
            "CDC_PIPELINES_DIR": str(pipelines),
            "PYTHONPATH": os.pathsep.join(str(REPO / root) for root in IMPORT_ROOTS),
        }
        self.stack = LocalStack(Places(REPO, home, Path(jars)), env=self.env)
        if not (home / "state" / "ports.json").exists():
            self._choose_ports()

    def _choose_ports(self) -> None:
        """Ports that no other stack prefers: one may be starting at this moment."""
        ports = choose_ports(
            port_specs(all_components()), {}, free=lambda port: port in OTHERS and _is_free(port)
        )
        (self.home / "state").mkdir(parents=True)
        (self.home / "state" / "ports.json").write_text(json.dumps(ports))

    def command(self, *arguments: str, limit_s: float = UP_LIMIT_S) -> subprocess.CompletedProcess[str]:
        """`python -m local_stack.cli …`, which is all that the Makefile's targets do."""
        return _run([sys.executable, "-m", "local_stack.cli", *arguments], self.env, limit_s)

    def shell(self, script: str, limit_s: float = 300) -> subprocess.CompletedProcess[str]:
        """A command in a shell that has sourced `activate`."""
        text = f'. "{self.home}/activate" && cd "{REPO}" && {script}'
        clean: dict[str, str] = {
            name: self.env[name] for name in ("HOME", "PATH", "LANG") if name in self.env
        }
        return _run(["bash", "-c", text], clean, limit_s)

    @property
    def ctx(self) -> StackContext:
        return self.stack.context()

    @property
    def api(self) -> AirflowApi:
        return AirflowApi.from_env(self.ctx.stack_env())

    @property
    def yarn(self) -> YarnClient:
        return YarnClient(self.ctx.stack_env()["YARN_RM_URL"])

    def launch(self) -> None:
        """Have Airflow bring every stream up."""
        since = now()
        with JobSession(self.ctx) as session:
            session.launch(print, since)

    def session(self) -> JobSession:
        return JobSession(self.ctx)

    def live(self, app_name: str) -> list[Application]:
        return self.yarn.applications(tags=[app_name])

    def rows(self) -> list[StatusRow]:
        record = self.stack.record()
        return collect_status(self.ctx, record) if record else []

    def drivers(self) -> dict[str, int | None]:
        return {row.name: row.pid for row in self.rows() if row.name.startswith("driver:")}

    def run_dag(self, dag_id: str, conf: dict[str, object] | None = None, limit_s: float = 600) -> DagRun:
        """Trigger a DAG and wait for its end, whatever it is."""
        run = self.api.trigger(dag_id, conf)
        return self.finish(run, limit_s)

    def finish(self, run: DagRun, limit_s: float = 600) -> DagRun:
        deadline = time.monotonic() + limit_s
        while not (run := self.api.run(run.dag_id, run.run_id)).finished:
            assert time.monotonic() < deadline, f"{run.dag_id} is {run.state}: {self.api.tasks(run)}"
            time.sleep(1)
        return run


def _is_free(port: int) -> bool:
    from local_stack.ports import is_free

    return is_free(port)


def _run(argv: list[str], env: dict[str, str], limit_s: float) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        argv, env=env, cwd=REPO, capture_output=True, text=True, timeout=limit_s, check=False
    )
    # pytest shows it when the test fails
    print(f"$ {' '.join(argv)}\n{done.stdout}\n{done.stderr}")  # noqa: T201
    return done


@pytest.fixture(scope="session")
def started() -> Iterator[WholeStack]:
    """The stack with all components up."""
    reused = os.environ.get("CDC_E2E_HOME")
    home = Path(reused or tempfile.mkdtemp(prefix="cdc-e2e-"))
    whole = WholeStack(home)
    try:
        up = whole.command("up")
        assert up.returncode == 0, up.stdout + up.stderr
        yield whole
    finally:
        if not reused:
            whole.command("down")
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def launched(started: WholeStack) -> WholeStack:
    """The stack with all streams launched by Airflow."""
    if set(streams.states(started.ctx).values()) != {"running"}:
        started.launch()
    return started


@pytest.fixture
def stack(launched: WholeStack) -> WholeStack:
    """The stack with every stream of its pipelines live."""
    states = streams.states(launched.ctx)
    assert set(states.values()) == {"running"}, states
    return launched


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program; without it the test is skipped, and fails in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("chromium is not installed: .ci/run installs it with apt-get install chromium")
    if found is None:
        pytest.skip("needs a browser: apt-get install chromium")
    return found


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Wait until a condition holds; its last answer is in the failure."""

    def wait(condition: Callable[[], object], limit_s: float = 120, pause_s: float = 1.0) -> None:
        deadline = time.monotonic() + limit_s
        while not (answer := condition()):
            assert time.monotonic() < deadline, f"still {answer!r} after {limit_s} s"
            time.sleep(pause_s)

    return wait


@pytest.fixture
def console() -> Console:
    return Console(width=160, force_terminal=False)
