"""A real source database with the sample shop, which can be killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local_stack.component import StackContext
from local_stack.components.source import Source

REPO = Path(__file__).resolve().parents[3]


class RunningSource:
    """The source component as a child of the test."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.component = Source()
        self.ctx = StackContext(
            repo=REPO,
            home=home,
            jars=home,
            java_home=home,
            python=Path(sys.executable),
            ports={"source": port},
            secrets={name: f"pw-{name}" for name in self.component.secrets},
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        return self.component.exports(self.ctx)["SOURCE_DSN"]

    def start(self) -> None:
        self.component.prepare(self.ctx)
        command = self.component.command(self.ctx)
        with self.ctx.log_file("source").open("ab") as log:
            self.process = subprocess.Popen(
                command.argv, cwd=command.cwd, env={**os.environ, **command.env}, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while (problem := self.component.probe(self.ctx)) is not None:
            assert time.monotonic() < deadline, problem
            time.sleep(0.1)
        self.component.after_ready(self.ctx)

    def kill(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def counts(self) -> dict[str, int]:
        tables = ("customers", "products", "orders", "order_items")
        with psycopg.connect(self.dsn) as connection:
            rows = {t: connection.execute(f"SELECT count(*) FROM {t}").fetchone() for t in tables}
        return {table: row[0] for table, row in rows.items() if row}


@pytest.fixture
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSource]:
    running = RunningSource(tmp_path_factory.mktemp("generator-source"))
    running.start()
    yield running
    running.kill()
