"""What the servers of docker-compose.yaml need before Airflow starts; the one-shot service `prepare` runs it.

Roles and databases on the three PostgreSQL servers, the sample shop, `connections.json` and Airflow's login.
The statements and names are the local stack's own, so both have the same roles, databases and connections.
Everything is idempotent: it runs at each `docker compose up`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from local_stack.component import Component, StackContext
from local_stack.components import control, source, warehouse
from local_stack.components.clickhouse import ClickHouse
from local_stack.components.connect import Connect
from local_stack.components.kafka import Kafka
from local_stack.components.postgres import SUPERUSER, ensure_database, ensure_role
from local_stack.components.smtp import Smtp
from local_stack.components.yarn import ResourceManager
from local_stack.envfile import write_atomically
from local_stack.source.seed import create_shop

Environment = Mapping[str, str]

REPOSITORY = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
# Those whose address somebody looks up, and the port on which each listens in its container.
COMPONENTS: tuple[Component, ...] = (
    source.Source(), warehouse.Warehouse(), control.Control(), Kafka(), Connect(), ClickHouse(), Smtp(),
    ResourceManager(),
)  # fmt: skip
PORTS = {
    "source": 5432,
    "warehouse": 5432,
    "control": 5432,
    "kafka": 9092,
    "connect": 8083,
    "clickhouse": 8123,
    "smtp": 1025,
    "resourcemanager": 8088,
}
# `.env` names each of the local stack's passwords in upper case, with _PASSWORD behind it.
SECRETS = tuple(name for component in COMPONENTS for name in component.secrets)


def dsn(host: str, user: str, password: str, database: str) -> str:
    """A `postgresql://` URL; `host` may carry a port. Passwords of `.env` need no quoting."""
    return f"postgresql://{user}:{password}@{host}/{database}"


def prepare_source(environment: Environment) -> None:
    """Roles, the database `shop`, its tables and first rows."""
    host = environment["SOURCE_HOST"]
    with _superuser(host, environment["SOURCE_SUPERUSER_PASSWORD"]) as connection:
        passwords = (environment["SOURCE_OWNER_PASSWORD"], environment["SOURCE_CAPTURE_PASSWORD"])
        source.ensure_roles(connection, *passwords)
        ensure_database(connection, source.DATABASE, source.OWNER)
    owner = dsn(host, source.OWNER, environment["SOURCE_OWNER_PASSWORD"], source.DATABASE)
    with psycopg.connect(owner) as shop:
        create_shop(shop)


def prepare_warehouse(environment: Environment) -> None:
    """The role that the streams write with, and its database."""
    with _superuser(environment["WAREHOUSE_HOST"], environment["WAREHOUSE_SUPERUSER_PASSWORD"]) as connection:
        ensure_role(connection, warehouse.ROLE, environment["WAREHOUSE_PASSWORD"])
        ensure_database(connection, warehouse.DATABASE, warehouse.ROLE)


def prepare_control(environment: Environment) -> None:
    """The ops store's and Airflow's roles and databases."""
    with _superuser(environment["CONTROL_HOST"], environment["CONTROL_SUPERUSER_PASSWORD"]) as connection:
        ensure_role(connection, control.OPS_ROLE, environment["CDC_OPS_PASSWORD"])
        ensure_database(connection, control.OPS_DATABASE, control.OPS_ROLE)
        ensure_role(connection, control.AIRFLOW_ROLE, environment["AIRFLOW_DATABASE_PASSWORD"])
        ensure_database(connection, control.AIRFLOW_DATABASE, control.AIRFLOW_ROLE)


def connections(environment: Environment) -> dict[str, dict[str, Any]]:
    """`connections.json`: the local stack's entries, with each service's own name and port as the address."""
    context = StackContext(
        repo=REPOSITORY,
        home=Path("/var/lib/cdc"),
        jars=Path(environment["CDC_JARS"]),
        java_home=Path(environment["JAVA_HOME"]),
        python=Path(sys.executable),
        ports=PORTS,
        secrets={name: environment[f"{name.upper()}_PASSWORD"] for name in SECRETS},
    )
    entries: dict[str, dict[str, Any]] = {}
    for component in COMPONENTS:
        text = json.dumps(component.connections(context))
        entries |= json.loads(text.replace(LOOPBACK, component.name))
    return entries


def main() -> int:
    """Do everything, in order; returns the exit status."""
    environment = os.environ
    prepare_source(environment)
    prepare_warehouse(environment)
    prepare_control(environment)
    _write_secret(Path(environment["CDC_CONNECTIONS_FILE"]), connections(environment))
    passwords = {environment["AIRFLOW_USER"]: environment["AIRFLOW_PASSWORD"]}
    _write_secret(Path(environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]), passwords)
    sys.stdout.write("roles, databases, the sample shop, connections.json and Airflow's login are in place\n")
    return 0


def _superuser(host: str, password: str) -> psycopg.Connection[Any]:
    return psycopg.connect(dsn(host, SUPERUSER, password, "postgres"), autocommit=True, connect_timeout=10)


def _write_secret(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(content, indent=2) + "\n", mode=0o600)


if __name__ == "__main__":
    sys.exit(main())
