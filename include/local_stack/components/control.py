"""The control PostgreSQL: the ops store and Airflow's metadata, on no sink's server."""

from __future__ import annotations

from typing import Any, ClassVar

import psycopg

from local_stack.component import PortSpec, StackContext
from local_stack.components.postgres import PostgresComponent, ensure_database, ensure_role

OPS_DATABASE = "cdc_ops_db"
OPS_ROLE = "cdc_ops"
AIRFLOW_DATABASE = "airflow"
AIRFLOW_ROLE = "airflow"


class Control(PostgresComponent):
    """Databases `cdc_ops_db` and `airflow`, each owned by a role of its own."""

    name = "control"
    title = "Control PostgreSQL"
    ports = (PortSpec("control", 15434),)
    secrets = ("control_superuser", "cdc_ops", "airflow_database")
    superuser_name = "control_superuser"
    # Airflow's four processes keep pools, and each running task and stream has a connection.
    settings: ClassVar[dict[str, str]] = {"max_connections": "200"}

    def create_objects(self, ctx: StackContext, connection: psycopg.Connection[Any]) -> None:
        """Create both roles and their databases."""
        ensure_role(connection, OPS_ROLE, ctx.secrets["cdc_ops"])
        ensure_database(connection, OPS_DATABASE, OPS_ROLE)
        ensure_role(connection, AIRFLOW_ROLE, ctx.secrets["airflow_database"])
        ensure_database(connection, AIRFLOW_DATABASE, AIRFLOW_ROLE)

    def exports(self, ctx: StackContext) -> dict[str, str]:
        """The ops store."""
        return {"OPS_DSN": self.dsn(ctx, OPS_ROLE, "cdc_ops", OPS_DATABASE)}

    def connections(self, ctx: StackContext) -> dict[str, dict[str, Any]]:
        """The ops store."""
        return {"cdc_ops": self.connection_entry(ctx, OPS_ROLE, "cdc_ops", OPS_DATABASE)}

    def airflow_dsn(self, ctx: StackContext) -> str:
        """Airflow's metadata database, as a plain `postgresql://` URL."""
        return self.dsn(ctx, AIRFLOW_ROLE, "airflow_database", AIRFLOW_DATABASE)
