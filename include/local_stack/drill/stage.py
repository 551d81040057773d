"""A running stack as a drill sees it: what it plants faults into, and what a person would look at."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from cdc.clients.clickhouse import connect_clickhouse
from cdc.clients.connect import ConnectClient
from cdc.clients.postgres import connect_postgres
from cdc.errors import ConfigurationError, UnavailableError
from cdc.model.incidents import Incident
from cdc.ops import OpsStore
from cdc.services.reach import connect_of
from cdc.spec import ClickHouseSink, Pipeline, SinkSpec, StreamSpec, TableSpec, WarehouseSink, load_pipeline
from local_stack.component import StackContext
from local_stack.contract import IMPORT_ROOTS
from local_stack.job.airflow_api import AirflowApi, DagFailedError, DagRun
from local_stack.job.launch import stream_dag_ids
from local_stack.job.session import JobSession
from local_stack.mail import Mail, read_mails
from local_stack.spark_processes import SparkProcess, spark_processes
from local_stack.stack import LocalStack

POLL_S = 1.0
RUN_LIMIT_S = 1200.0
COMMAND_LIMIT_S = 120.0
TABLE = "public.customers"

Say = Callable[[str], None]
T = TypeVar("T")


class Stage:
    """The sample pipeline on a running stack.

    Args:
        stack: the stack.
        session: its session.
        say: told what is done, one line each.

    Raises:
        ConfigurationError: no pipeline captures the sample's customers.
    """

    def __init__(self, stack: LocalStack, session: JobSession, say: Say) -> None:
        """Find the pipeline; nothing is asked before it is needed."""
        self.stack, self.session, self.say = stack, session, say
        self.pipeline = _sample(session)

    @property
    def ctx(self) -> StackContext:
        """Paths and ports."""
        return self.session.ctx

    @property
    def api(self) -> AirflowApi:
        """Airflow."""
        return self.session.api

    @property
    def table(self) -> TableSpec:
        """The table whose rows and stream are hit."""
        return self.pipeline.table(TABLE)

    @property
    def stream(self) -> StreamSpec:
        """Its stream."""
        return self.pipeline.stream(self.table.stream)

    @property
    def stream_dag(self) -> str:
        """The stream's DAG."""
        streams = [s.app_name for pipeline in self.session.pipelines for s in pipeline.streams]
        ids = dict(zip(streams, stream_dag_ids(self.session.pipelines), strict=True))
        return ids[self.stream.app_name]

    @property
    def pipeline_file(self) -> Path:
        """The file that declares the pipeline."""
        folder, env = Path(self.session.env["CDC_PIPELINES_DIR"]), self.session.env["CDC_ENV"]
        return next(
            f for f in sorted(folder.glob("*.yaml")) if load_pipeline(f, env).name == self.pipeline.name
        )

    @property
    def connect(self) -> ConnectClient:
        """Kafka Connect."""
        return connect_of(self.pipeline, self.session.connections)

    def sink(self, kind: str) -> SinkSpec:
        """The sink of that type, `clickhouse` or `postgres`."""
        return next(sink for sink in self.pipeline.sinks if sink.type == kind)

    def ops(self) -> OpsStore:
        """The ops store, to be closed by the caller."""
        return OpsStore(self.session.connections.get(self.pipeline.ops.connection))

    def at_source(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The source, as the tables' owner; every statement is a transaction of its own."""
        connection = self.session.connections.get(self.pipeline.source.admin_connection)
        return connect_postgres(connection, autocommit=True, application_name="drill")

    def in_sink(self, sink: SinkSpec, statement: str) -> None:
        """Run a statement in a sink, as somebody who does not know of the platform."""
        connection = self.session.connections.get(sink.connection)
        if isinstance(sink, ClickHouseSink):
            connect_clickhouse(connection).command(statement)
        elif isinstance(sink, WarehouseSink):
            with connect_postgres(connection, autocommit=True, application_name="drill") as warehouse:
                warehouse.execute(statement.encode())

    def rows_in(self, sink: SinkSpec, condition: str) -> int:
        """How many of the table's rows a reader of the sink sees under a condition."""
        name = ".".join(sink.view(self.table.name))
        query = f"SELECT count(*) FROM {name} WHERE {condition}"  # noqa: S608 - the sample's own names
        connection = self.session.connections.get(sink.connection)
        if isinstance(sink, ClickHouseSink):
            return int(str(connect_clickhouse(connection).command(query)))
        with connect_postgres(connection, autocommit=True, application_name="drill") as warehouse:
            row = warehouse.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0

    def driver(self) -> SparkProcess | None:
        """The stream's driver, while one runs."""
        wanted = f"driver:{self.stream.app_name}"
        return next((p for p in spark_processes(self.ctx) if p.name == wanted), None)

    def mails(self) -> list[Mail]:
        """Every mail that the stack's catcher has, oldest first."""
        return read_mails(Path(self.session.env["MAIL_DIR"]))

    def incidents(self, *, only_open: bool = False) -> list[Incident]:
        """The pipeline's newest incidents."""
        with self.ops() as ops:
            return ops.incidents(self.pipeline.name, only_open=only_open, limit=200)

    def run_dag(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> DagRun:
        """Trigger a DAG as a person would, and wait until its run has succeeded.

        Raises:
            DagFailedError: it failed; the message has the task and the end of its log.
        """
        run = self.finished(self.api.trigger(dag_id, conf))
        if run.state != "success":
            raise DagFailedError(self.api.explain(run))
        return run

    def finished(self, run: DagRun) -> DagRun:
        """Wait until a run has ended, well or not."""

        def look() -> DagRun | None:
            found = self.api.run(run.dag_id, run.run_id)
            return found if found.finished else None

        return self.wait_for(look, RUN_LIMIT_S, f"{run.dag_id} has not ended")

    def await_room(self, dag_id: str, seconds: float) -> None:
        """Wait until no run of a DAG is under way, and the schedule begins none for so many seconds.

        Raises:
            UnavailableError: there is no such time.
        """

        def look() -> bool:
            if not all(run.finished for run in self.api.runs(dag_id)):
                return False
            following = self.api.next_run(dag_id)
            return following is None or (following - datetime.now(UTC)).total_seconds() >= seconds

        self.wait_for(look, RUN_LIMIT_S, f"{dag_id} has no {seconds:.0f} s between two runs")

    def command(self, *words: str) -> str:
        """Run the `cdc` command in the stack's environment; returns what it printed.

        Raises:
            UnavailableError: it failed; the message has what it said.
        """
        roots = ":".join(str(self.ctx.repo / root) for root in IMPORT_ROOTS)
        done = subprocess.run(
            [str(self.ctx.python), "-m", "cdc.cli", *words],
            env={**self.session.env, "PYTHONPATH": roots, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )
        if done.returncode:
            raise UnavailableError(f"`cdc {' '.join(words)}` said: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def wait_for(self, look: Callable[[], T | None], limit_s: float, otherwise: str) -> T:
        """Look each second until there is something.

        Raises:
            UnavailableError: `otherwise`, after `limit_s`.
        """
        deadline = time.monotonic() + limit_s
        while not (found := look()):
            if time.monotonic() > deadline:
                raise UnavailableError(f"{otherwise} within {limit_s:.0f} s")
            time.sleep(POLL_S)
        return found


def _sample(session: JobSession) -> Pipeline:
    for pipeline in session.pipelines:
        if any(table.source == TABLE for table in pipeline.tables):
            return pipeline
    raise ConfigurationError(
        f"no pipeline captures {TABLE}: the drill hits the sample pipeline, include/pipelines/ecommerce.yaml"
    )
