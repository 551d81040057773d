"""The source PostgreSQL: logical decoding, the sample shop, and the roles that capture it."""

from __future__ import annotations

from typing import Any, ClassVar

import psycopg

from local_stack.component import PortSpec, StackContext
from local_stack.components.postgres import SUPERUSER, PostgresComponent, ensure_database, ensure_role
from local_stack.source.seed import create_shop

DATABASE = "shop"
OWNER = "shop"
CAPTURE_ROLE = "debezium"


def ensure_roles(connection: psycopg.Connection[Any], owner_password: str, capture_password: str) -> None:
    """The owner of the tables, and the role that captures them."""
    ensure_role(connection, OWNER, owner_password)
    ensure_role(connection, CAPTURE_ROLE, capture_password, "LOGIN REPLICATION")
    # The heartbeat records when the oldest open writing transaction began, which others may not see.
    connection.execute("GRANT pg_read_all_stats TO " + CAPTURE_ROLE)


class Source(PostgresComponent):
    """The shop's database.

    Role `shop` owns the database and its tables (publication, grants and discovery go through it); role
    `debezium` may log in, replicate and see when others' transactions began, nothing else: `cdc apply` grants
    it each captured table.
    """

    name = "source"
    title = "Source PostgreSQL"
    ports = (PortSpec("source", 15432),)
    secrets = ("source_superuser", "source_owner", "source_capture")
    superuser_name = "source_superuser"
    settings: ClassVar[dict[str, str]] = {
        "wal_level": "logical",
        "max_replication_slots": "20",
        "max_wal_senders": "20",
        # A slot that nobody reads must not fill the disk; the pipeline alerts long before.
        "max_slot_wal_keep_size": "8GB",
        "wal_sender_timeout": "30s",
        "max_connections": "100",
    }

    def create_objects(self, ctx: StackContext, connection: psycopg.Connection[Any]) -> None:
        """Create the roles, the database, and once the shop with its first rows."""
        ensure_roles(connection, ctx.secrets["source_owner"], ctx.secrets["source_capture"])
        ensure_database(connection, DATABASE, OWNER)
        with psycopg.connect(self.dsn(ctx, OWNER, "source_owner", DATABASE)) as shop:
            create_shop(shop)

    def exports(self, ctx: StackContext) -> dict[str, str]:
        """The superuser's DSN, since cases outside create extensions."""
        return {"SOURCE_DSN": self.dsn(ctx, SUPERUSER, self.superuser_name, DATABASE)}

    def connections(self, ctx: StackContext) -> dict[str, dict[str, Any]]:
        """The capturing role and the owner."""
        return {
            "cdc_source": self.connection_entry(ctx, CAPTURE_ROLE, "source_capture", DATABASE),
            "cdc_source_admin": self.connection_entry(ctx, OWNER, "source_owner", DATABASE),
        }
