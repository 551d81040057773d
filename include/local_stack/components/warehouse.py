"""The warehouse PostgreSQL: one of the two sinks."""

from __future__ import annotations

from typing import Any, ClassVar

import psycopg

from local_stack.component import PortSpec, StackContext
from local_stack.components.postgres import PostgresComponent, ensure_database, ensure_role

DATABASE = "analytics"
ROLE = "warehouse"


class Warehouse(PostgresComponent):
    """Database `analytics`, owned by the role that the streams write with."""

    name = "warehouse"
    title = "Warehouse PostgreSQL"
    ports = (PortSpec("warehouse", 15433),)
    secrets = ("warehouse_superuser", "warehouse")
    superuser_name = "warehouse_superuser"
    settings: ClassVar[dict[str, str]] = {
        "shared_buffers": "128MB",
        "max_wal_size": "1GB",
        "max_connections": "100",
    }

    def create_objects(self, ctx: StackContext, connection: psycopg.Connection[Any]) -> None:
        """Create the role and its database."""
        ensure_role(connection, ROLE, ctx.secrets["warehouse"])
        ensure_database(connection, DATABASE, ROLE)

    def exports(self, ctx: StackContext) -> dict[str, str]:
        """The owner's DSN."""
        return {"WAREHOUSE_DSN": self.dsn(ctx, ROLE, "warehouse", DATABASE)}

    def connections(self, ctx: StackContext) -> dict[str, dict[str, Any]]:
        """The owner."""
        return {"cdc_warehouse": self.connection_entry(ctx, ROLE, "warehouse", DATABASE)}
