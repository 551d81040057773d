"""Airflow's four processes: api-server, scheduler, dag-processor, triggerer."""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import requests

from cdc.errors import ConfigurationError
from local_stack.component import Command, Component, PortSpec, StackContext
from local_stack.components.airflow_environment import (
    SECRETS,
    USER,
    airflow_environment,
    airflow_home,
    airflow_url,
    password_file,
)
from local_stack.components.control import Control
from local_stack.components.processes import started_file
from local_stack.components.spark import spark_environment
from local_stack.envfile import write_atomically


class AirflowComponent(Component):
    """What the four have in common: environment, command line, stop.

    Class attributes:
        arguments: the subcommand of `airflow`.
    """

    secrets = SECRETS
    heavy = True
    ready_timeout_s = 240.0
    arguments: ClassVar[tuple[str, ...]]

    def command(self, ctx: StackContext) -> Command:
        """`airflow <subcommand>` with the stack's environment, so that tasks see `stack.env` too."""
        environment = {**ctx.stack_env(), **spark_environment(ctx), **airflow_environment(ctx)}
        argv = (str(ctx.python), "-m", "airflow", *self.arguments)
        path = {"PATH": f"{ctx.python.parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
        return Command(argv=argv, cwd=airflow_home(ctx), env={**environment, **path}, stop_timeout_s=20)

    def prepare(self, ctx: StackContext) -> None:
        """Note when this start began, for the probe."""
        airflow_home(ctx).mkdir(parents=True, exist_ok=True)
        started_file(ctx, self.name).touch()


class AirflowApiServer(AirflowComponent):
    """UI, REST API, and the execution API that every task talks to."""

    name = "airflow-api-server"
    title = "Airflow api-server"
    requires = ("control",)
    ports = (PortSpec("airflow-api-server", 18080),)
    arguments = ("api-server",)

    def prepare(self, ctx: StackContext) -> None:
        """Write the user's password, and migrate the metadata database when it needs it."""
        super().prepare(ctx)
        write_atomically(password_file(ctx), json.dumps({USER: ctx.secrets["airflow_admin"]}), mode=0o600)
        if not is_migrated(ctx):
            migrate(ctx)

    def probe(self, ctx: StackContext) -> str | None:
        """Ask for the health of the API and of its database, and log in: another stack's would refuse."""
        url = f"{airflow_url(ctx)}/api/v2/monitor/health"
        login = {"username": USER, "password": ctx.secrets["airflow_admin"]}
        try:
            answer = requests.get(url, timeout=5)
            status = answer.json()["metadatabase"]["status"]
            token = requests.post(f"{airflow_url(ctx)}/auth/token", json=login, timeout=5)
        except (requests.RequestException, KeyError) as error:
            return f"Airflow does not answer on {url}: {type(error).__name__}"
        if token.status_code == requests.codes.unauthorized:
            return f"another Airflow answers on {airflow_url(ctx)}: it refuses this stack's user"
        return None if status == "healthy" else f"Airflow's metadata database is {status}"

    def exports(self, ctx: StackContext) -> dict[str, str]:
        """The UI's address and login."""
        return {
            "AIRFLOW_URL": airflow_url(ctx),
            "AIRFLOW_USER": USER,
            "AIRFLOW_PASSWORD": ctx.secrets["airflow_admin"],
            "AIRFLOW_HOME": str(airflow_home(ctx)),
        }

    def shell_environment(self, ctx: StackContext) -> dict[str, str]:
        """What `airflow dags test` needs; the import path is set for every command alike."""
        return {key: value for key, value in airflow_environment(ctx).items() if key != "PYTHONPATH"}


class AirflowJobComponent(AirflowComponent):
    """A process without a port: it is ready when it has registered itself.

    Class attributes:
        job_type: its name in Airflow's table of jobs.
    """

    requires = ("airflow-api-server",)
    job_type: ClassVar[str]

    def probe(self, ctx: StackContext) -> str | None:
        """Look for a job that began after this start did; the one of a killed process is older."""
        since = started_file(ctx, self.name).stat().st_mtime
        query = (
            "SELECT 1 FROM job WHERE job_type = %s AND state = 'running' AND start_date >= to_timestamp(%s)"
        )
        try:
            with psycopg.connect(Control().airflow_dsn(ctx), connect_timeout=3) as connection:
                if connection.execute(query, (self.job_type, since)).fetchone():
                    return None
        except psycopg.Error as error:
            return f"Airflow's metadata database does not answer: {' '.join(str(error).split())}"
        return f"{self.name} has not registered itself in Airflow's metadata database yet"


class AirflowScheduler(AirflowJobComponent):
    """Starts tasks, with the LocalExecutor; it leaves streams alone, since they run on YARN."""

    name = "airflow-scheduler"
    title = "Airflow scheduler"
    arguments = ("scheduler", "--skip-serve-logs")
    job_type = "SchedulerJob"


class AirflowDagProcessor(AirflowJobComponent):
    """Parses the DAG files."""

    name = "airflow-dag-processor"
    title = "Airflow dag-processor"
    arguments = ("dag-processor",)
    job_type = "DagProcessorJob"


class AirflowTriggerer(AirflowJobComponent):
    """Runs the triggers of deferred sensors."""

    name = "airflow-triggerer"
    title = "Airflow triggerer"
    arguments = ("triggerer", "--skip-serve-logs")
    job_type = "TriggererJob"


def is_migrated(ctx: StackContext) -> bool:
    """Whether the database is at the revision that this version of Airflow left it at.

    Asking Airflow itself takes seconds at each start; so the revision is kept after a migration, with
    the version that made it, and compared with what the database says now.
    """
    try:
        known = json.loads(migration_file(ctx).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(known == {"airflow": version("apache-airflow-core"), "revision": read_revision(ctx)})


def migrate(ctx: StackContext) -> None:
    """Run `airflow db migrate`, and note where it led.

    Raises:
        ConfigurationError: it failed; with its last words.
    """
    environment = {**ctx.stack_env(), **AirflowApiServer().command(ctx).env, "HOME": str(airflow_home(ctx))}
    argv = [str(ctx.python), "-m", "airflow", "db", "migrate"]
    done = subprocess.run(
        argv, cwd=airflow_home(ctx), env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode != 0:
        raise ConfigurationError(
            f"`airflow db migrate` ended with {done.returncode}: {done.stderr.strip()[-500:]}; expected the "
            "metadata database to be created: mend the cause and start again"
        )
    known: dict[str, Any] = {"airflow": version("apache-airflow-core"), "revision": read_revision(ctx)}
    write_atomically(migration_file(ctx), json.dumps(known))


def migration_file(ctx: StackContext) -> Path:
    """Where the revision after the last migration is kept."""
    return airflow_home(ctx) / "migrated.json"


def read_revision(ctx: StackContext) -> str | None:
    """The revision in the metadata database, None when there is none yet."""
    with psycopg.connect(Control().airflow_dsn(ctx), connect_timeout=5) as connection:
        found = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
        if found != (True,):
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None
