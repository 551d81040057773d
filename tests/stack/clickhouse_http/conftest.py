"""A real server process on a free port and a folder of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
import requests
from requests.auth import HTTPBasicAuth

REPO = Path(__file__).parents[3]
USER, PASSWORD = "default", "s3cret'π"
READER = {"reader": {"password": "look", "readonly": 1}, "grafana": {"password": "panel", "readonly": 2}}


class ServerProcess:
    """Starts the server, tells its address, and stops or kills it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.log = data.with_suffix(".log")
        users = data.with_suffix(".users.json")
        users.write_text(json.dumps(READER))
        self._argv = [sys.executable, "-m", "local_stack.clickhouse_http", "--port", "0", "--data", str(data)]
        self._argv += ["--user", USER, "--password", PASSWORD, "--users-file", str(users)]
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start(self) -> ServerProcess:
        with self.log.open("ab") as log:
            begin = log.tell()
            self.process = subprocess.Popen(
                self._argv, stderr=log, stdout=log, env={**os.environ, "PYTHONPATH": str(REPO / "include")}
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = re.search(rb"event=listening address=http://[\d.]+:(\d+)", self.log.read_bytes()[begin:])
            if found:
                self.port = int(found[1])
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def post(self, sql: str | bytes, **params: Any) -> requests.Response:
        body = sql.encode() if isinstance(sql, str) else sql
        return requests.post(
            self.url,
            params=params,
            data=body,
            auth=HTTPBasicAuth(USER.encode(), PASSWORD.encode()),
            timeout=60,
        )

    def ask(self, sql: str, **params: Any) -> str:
        answer = self.post(sql, **params)
        assert answer.status_code == 200, answer.text
        return answer.text.rstrip("\n")

    def client(self, **options: Any) -> Any:
        return clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, username=USER, password=PASSWORD, **options
        )


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for the tests that leave it running."""
    process = ServerProcess(tmp_path_factory.mktemp("clickhouse") / "data").start()
    yield process
    assert process.stop() == 0


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[[], ServerProcess]]:
    """Makes servers that a test may kill; all of them on the same folder, one after the other."""
    started: list[ServerProcess] = []

    def start() -> ServerProcess:
        started.append(ServerProcess(tmp_path / "data").start())
        return started[-1]

    yield start
    for process in started:
        if process.process is not None and process.process.poll() is None:
            process.kill()


@pytest.fixture
def table(server: ServerProcess, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty table `(a UInt64, b String)` named after the test."""
    name = re.sub(r"\W+", "_", request.node.name)[:60]
    server.ask(f"CREATE OR REPLACE TABLE {name} (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    yield name
    server.ask(f"DROP TABLE IF EXISTS {name} SYNC")
