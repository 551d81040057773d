"""The platform's objects at the source, made as the owner: signals, heartbeat, publication, grants."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import psycopg
from psycopg import sql
from psycopg.sql import SQL, Identifier

from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.errors import ConfigurationError, SchemaChangedError
from cdc.services.capturable import differences
from cdc.services.catalogue import published_tables, read_tables
from cdc.services.changes import Change, OnStep
from cdc.services.snapshot_keys import untold_keys
from cdc.spec import Pipeline, TableSpec
from cdc.spec.names import split_qualified

_PUBLISHED = "insert, update, delete, truncate"
_PUBLISH: sql.Composable = SQL("publish = {}").format(sql.Literal(_PUBLISHED))
# A partitioned table's changes come under its own name, whichever partition a row is in.
_VIA_ROOT: sql.Composable = SQL("publish_via_partition_root = true")
_HEARTBEAT_COLUMNS = (
    "(id integer PRIMARY KEY, beat_at timestamptz NOT NULL DEFAULT clock_timestamp(), lsn text, "
    "oldest_xact timestamptz)"
)
_SIGNAL_COLUMNS = "(id varchar(64) PRIMARY KEY, type varchar(64) NOT NULL, data text)"


class SourceObjects:
    """What capture needs at the source, beside the tables themselves.

    Args:
        waiting: tables, by their name in the sinks, that are not as declared and wait for an approval; they
            may have been dropped, have another name, or be of a kind that cannot be published.
    """

    def __init__(self, pipeline: Pipeline, connections: Connections, waiting: Collection[str] = ()) -> None:
        self._waiting = frozenset(waiting)
        self._pipeline, self._source = pipeline, pipeline.source
        self._admin = connections.get(self._source.admin_connection)
        self._role = connections.get(self._source.connection).login
        self._signal = split_qualified(self._source.signal_table)
        self._heartbeat = split_qualified(self._source.heartbeat_table)
        self._captured = [(table.schema_name, table.table_name) for table in pipeline.tables]
        self._changelogs = {(t.schema_name, t.table_name) for t in pipeline.tables if t.changelog}
        self._doubtful = {
            (table.schema_name, table.table_name) for table in pipeline.tables if table.name in self._waiting
        }

    def validate(self) -> None:
        """Check the source without asking for what is missing; raises as `check`, or `UnavailableError`."""
        with connect_postgres(self._admin, autocommit=True, application_name="cdc-validate") as connection:
            self.check(connection)

    def pending(self) -> list[Change]:
        """Check the tables against the pipeline, then list what is missing beside them."""
        with connect_postgres(self._admin, autocommit=True, application_name="cdc-plan") as connection:
            self.check(connection)
            out = {name for name in self._doubtful if not _publishable(connection, name)}
            self._captured = [name for name in self._captured if name not in out]
            return [
                *(
                    Change("source", f"table {'.'.join(name)}", "create")
                    for name in (self._signal, self._heartbeat)
                    if not _exists(connection, name)
                ),
                *self._missing_row(connection),
                *self._publication_changes(connection),
                *self._missing_grants(connection),
            ]

    def run(self, on_step: OnStep) -> None:
        """Create, publish and grant what is missing."""
        pending = self.pending()
        if not pending:
            return
        with connect_postgres(self._admin, application_name="cdc-apply") as connection:
            try:
                self._create_tables(connection)
                self._publish(connection)
                self._grant(connection)
            except psycopg.errors.InsufficientPrivilege as error:
                raise ConfigurationError(
                    f"connection {self._source.admin_connection!r} ({self._admin.login}) may not do this at "
                    "the "
                    f"source: {_said(error)}. It must own the captured tables and may create schemas"
                ) from error
        for change in pending:
            on_step(str(change))

    def check(self, connection: psycopg.Connection[Any]) -> None:
        """See that the source logs what is needed, and that its tables are what the pipeline declares.

        Raises:
            ConfigurationError: `wal_level` is not logical.
            SchemaChangedError: a table is not as declared, cannot be captured, or has keys that its snapshot
                would tell wrongly.
        """
        row = connection.execute("SELECT current_setting('wal_level')").fetchone()
        if row is None or row[0] != "logical":
            raise ConfigurationError(
                f"the source's wal_level is {row[0] if row else None!r}, needed is 'logical': "
                "ALTER SYSTEM SET wal_level = logical, then restart PostgreSQL"
            )
        found = {table.qualified: table for table in read_tables(connection, role=self._role)}
        said = [
            text
            for table in self._pipeline.tables
            if table.name not in self._waiting
            for text in differences(table, found.get(table.source))
        ]
        if not said:
            said = untold_keys(connection, self._joining(connection))
        if said:
            raise SchemaChangedError(
                f"the source is not what pipeline {self._pipeline.name} declares: {'; '.join(said)}"
            )

    def _joining(self, connection: psycopg.Connection[Any]) -> list[TableSpec]:
        """The tables that are not published yet, so that their snapshot is to come."""
        now = published_tables(connection, self._source.publication)
        return [t for t in self._pipeline.tables if (t.schema_name, t.table_name) not in now]

    def _published(self, now: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        # The signal table too: Debezium reads the windows of an incremental snapshot back from the log.
        # A changelog's table is published with its snapshot, in one transaction, and stays.
        joining = self._changelogs - set(now)
        return sorted({*self._captured, self._signal, self._heartbeat} - joining)

    def _missing_row(self, connection: psycopg.Connection[Any]) -> list[Change]:
        """The heartbeat is an UPDATE, which moves nothing in an empty table."""
        if not _exists(connection, self._heartbeat):
            return []
        row = SQL("SELECT FROM {} WHERE id = 1").format(Identifier(*self._heartbeat))
        if connection.execute(row).fetchone() is not None:
            return []
        return [Change("source", f"table {'.'.join(self._heartbeat)}", "add its row")]

    def _publication_changes(self, connection: psycopg.Connection[Any]) -> list[Change]:
        name = self._source.publication
        subject = f"publication {name}"
        row = connection.execute(
            "SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate AND pubviaroot "
            "FROM pg_publication WHERE pubname = %s",
            (name,),
        ).fetchone()
        if row is None:
            return [Change("source", subject, f"create for {len(self._published(()))} tables")]
        now = published_tables(connection, self._source.publication)
        wanted = set(self._published(now))
        changes = [Change("source", subject, f"add {'.'.join(item)}") for item in sorted(wanted - now)]
        changes += [Change("source", subject, f"remove {'.'.join(item)}") for item in sorted(now - wanted)]
        if not row[0]:
            changes.append(Change("source", subject, f"publish {_PUBLISHED}, via the partition root"))
        if _publishes_generated(connection) and connection.execute(
            "SELECT pubgencols <> 's' FROM pg_publication WHERE pubname = %s", (name,)
        ).fetchone() == (True,):
            changes.append(Change("source", subject, "publish stored generated columns"))
        return changes

    def _grants(self) -> list[tuple[str, tuple[str, str]]]:
        return [
            *(("SELECT", name) for name in self._captured),
            *((right, self._signal) for right in ("SELECT", "INSERT")),
            *((right, self._heartbeat) for right in ("SELECT", "INSERT", "UPDATE")),
        ]

    def _missing_grants(self, connection: psycopg.Connection[Any]) -> list[Change]:
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (self._role,)).fetchone()
        if known is None:
            raise ConfigurationError(
                f"the source has no role {self._role!r}, which connection {self._source.connection!r} logs "
                "in "
                "as: CREATE ROLE … LOGIN REPLICATION"
            )
        missing = []
        for right, name in self._grants():
            if not _exists(connection, name) or not self._may(connection, right, name):
                missing.append(Change("source", f"role {self._role}", f"grant {right} on {'.'.join(name)}"))
        return missing

    def _may(self, connection: psycopg.Connection[Any], right: str, name: tuple[str, str]) -> bool:
        row = connection.execute(
            "SELECT has_schema_privilege(%(role)s, %(schema)s, 'USAGE') "
            "AND has_table_privilege(%(role)s, format('%%I.%%I', %(schema)s::text, %(table)s::text), "
            "%(right)s)",
            {"role": self._role, "schema": name[0], "table": name[1], "right": right},
        ).fetchone()
        return bool(row and row[0])

    def _create_tables(self, connection: psycopg.Connection[Any]) -> None:
        for name, columns in ((self._signal, _SIGNAL_COLUMNS), (self._heartbeat, _HEARTBEAT_COLUMNS)):
            connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(name[0])))
            connection.execute(
                SQL("CREATE TABLE IF NOT EXISTS {} {}").format(Identifier(*name), SQL(columns))
            )
        connection.execute(
            SQL("INSERT INTO {} (id) VALUES (1) ON CONFLICT DO NOTHING").format(Identifier(*self._heartbeat))
        )

    def _publish(self, connection: psycopg.Connection[Any]) -> None:
        name = self._source.publication
        published = self._published(published_tables(connection, self._source.publication))
        tables = SQL(", ").join(Identifier(*table) for table in published)
        chosen = [_PUBLISH, _VIA_ROOT]
        if _publishes_generated(connection):
            chosen.append(SQL("publish_generated_columns = stored"))
        options = SQL("({})").format(SQL(", ").join(chosen))
        if connection.execute("SELECT 1 FROM pg_publication WHERE pubname = %s", (name,)).fetchone() is None:
            create = SQL("CREATE PUBLICATION {} FOR TABLE {} WITH {}")
            connection.execute(create.format(Identifier(name), tables, options))
            return
        if not self._publication_changes(connection):
            return
        connection.execute(SQL("ALTER PUBLICATION {} SET TABLE {}").format(Identifier(name), tables))
        connection.execute(SQL("ALTER PUBLICATION {} SET {}").format(Identifier(name), options))

    def _grant(self, connection: psycopg.Connection[Any]) -> None:
        role = Identifier(self._role)
        for schema in sorted({name[0] for _, name in self._grants()}):
            connection.execute(SQL("GRANT USAGE ON SCHEMA {} TO {}").format(Identifier(schema), role))
        for right, name in self._grants():
            statement = SQL("GRANT {} ON {} TO {}").format(SQL(right), Identifier(*name), role)
            connection.execute(statement)


def _publishes_generated(connection: psycopg.Connection[Any]) -> bool:
    return connection.info.server_version >= 180_000


def _exists(connection: psycopg.Connection[Any], name: tuple[str, str]) -> bool:
    row = connection.execute(
        "SELECT to_regclass(format('%%I.%%I', %s::text, %s::text)) IS NOT NULL", name
    ).fetchone()
    return bool(row and row[0])


def _publishable(connection: psycopg.Connection[Any], name: tuple[str, str]) -> bool:
    statement = (
        "SELECT FROM pg_class WHERE oid = to_regclass(format('%%I.%%I', %s::text, %s::text)) "
        "AND relkind IN ('r', 'p') AND relpersistence = 'p'"
    )
    return connection.execute(statement, name).fetchone() is not None


def _said(error: psycopg.Error) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
