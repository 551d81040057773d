"""Airflow's whole configuration as environment variables, for its components and for an activated shell."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from local_stack.component import StackContext
from local_stack.components.control import Control

HOST = "127.0.0.1"
USER = "admin"
SECRETS = ("airflow_admin", "airflow_keys", "airflow_database")
IMPORT_ROOTS = ("include", "plugins", "spark_jobs")

Sections = dict[str, dict[str, str]]


def airflow_environment(ctx: StackContext) -> dict[str, str]:
    """Everything that an Airflow process of this stack needs, besides `stack.env`.

    `airflow dags test` in an activated shell reads the same, so it sees the same database, connections
    and DAGs.
    """
    sections = _core(ctx) | _database(ctx) | _services(ctx)
    settings = {
        f"AIRFLOW__{section.upper()}__{key.upper()}": value
        for section, options in sections.items()
        for key, value in options.items()
    }
    return {
        "AIRFLOW_HOME": str(airflow_home(ctx)),
        "PYTHONPATH": ":".join(str(ctx.repo / root) for root in IMPORT_ROOTS),
        **settings,
    }


def airflow_home(ctx: StackContext) -> Path:
    """AIRFLOW_HOME of this stack."""
    return ctx.home / "airflow"


def airflow_url(ctx: StackContext) -> str:
    """The address of the UI and of the REST API."""
    return f"http://{HOST}:{ctx.ports['airflow-api-server']}"


def password_file(ctx: StackContext) -> Path:
    """Where the simple auth manager reads its users' passwords."""
    return airflow_home(ctx) / "passwords.json"


def derive_key(secret: str, purpose: str) -> bytes:
    """64 bytes for one purpose out of the stack's one random secret, the same at each start."""
    return hashlib.sha512(f"{purpose}:{secret}".encode()).digest()


def _core(ctx: StackContext) -> Sections:
    """DAGs, users, keys, connections and logs."""
    keys = ctx.secrets["airflow_keys"]
    return {
        "core": {
            "dags_folder": str(ctx.repo / "dags"),
            "plugins_folder": str(ctx.repo / "plugins"),
            "load_examples": "False",
            "executor": "LocalExecutor",
            "parallelism": "6",
            "dags_are_paused_at_creation": "False",
            "default_timezone": "utc",
            "simple_auth_manager_users": f"{USER}:admin",
            "simple_auth_manager_passwords_file": str(password_file(ctx)),
            "fernet_key": base64.urlsafe_b64encode(derive_key(keys, "fernet")[:32]).decode(),
            "execution_api_server_url": f"{airflow_url(ctx)}/execution/",
            "allowed_deserialization_classes": "airflow.* cdc.* cdc_airflow.*",
            "min_serialized_dag_update_interval": "5",
            # A task reads its DAG file when it starts.
            "dagbag_import_timeout": "180",
            # The name is only shown; looking the full one up may wait for a name server.
            "hostname_callable": "socket.gethostname",
        },
        "secrets": {
            "backend": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
            "backend_kwargs": json.dumps({"connections_file_path": str(ctx.connections_file)}),
        },
        "logging": {
            "base_log_folder": str(ctx.home / "logs" / "airflow"),
            "dag_processor_child_process_log_directory": str(ctx.home / "logs" / "airflow" / "dag_processor"),
            "colored_console_log": "False",
        },
    }


def _database(ctx: StackContext) -> Sections:
    """The metadata database, on the control PostgreSQL."""
    address = Control().airflow_dsn(ctx).removeprefix("postgresql://")
    return {
        "database": {
            "sql_alchemy_conn": f"postgresql+psycopg2://{address}",
            "sql_alchemy_conn_async": f"postgresql+asyncpg://{address}",
            "sql_alchemy_pool_size": "3",
            # `prepare` of the api-server looks at the migration itself, once.
            "check_migrations": "False",
        }
    }


def _services(ctx: StackContext) -> Sections:
    """The four processes: addresses, and how soon a killed one is noticed.

    A scheduler whose loop takes longer than its threshold on a busy machine takes itself for dead, and its
    tasks for orphans.
    Logs are read from the shared folder, so nobody serves them, and two stacks do not meet on a port.
    """
    keys = ctx.secrets["airflow_keys"]
    return {
        "api": {
            "host": HOST,
            "port": str(ctx.ports["airflow-api-server"]),
            "base_url": airflow_url(ctx),
            "workers": "1",
            "secret_key": derive_key(keys, "api").hex(),
            "instance_name": "Spark CDC Platform",
        },
        "api_auth": {"jwt_secret": derive_key(keys, "jwt").hex(), "jwt_issuer": "cdc-local-stack"},
        "workers": {"execution_api_timeout": "30"},
        "scheduler": {
            "enable_health_check": "False",
            "scheduler_health_check_threshold": "120",
            "orphaned_tasks_check_interval": "20",
            "task_instance_heartbeat_timeout": "180",
        },
        "triggerer": {"triggerer_health_check_threshold": "120", "capacity": "200"},
        "dag_processor": {
            "refresh_interval": "10",
            "min_file_process_interval": "30",
            "parsing_processes": "1",
            "dag_file_processor_timeout": "180",
        },
    }
