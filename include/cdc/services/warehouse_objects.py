"""A PostgreSQL sink's schemas, tables and views, compared with the pipeline and made."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from cdc.clients.postgres import columns_of, connect_postgres
from cdc.connections import Connections
from cdc.ddl import warehouse
from cdc.ddl.columns import sink_columns, view_columns
from cdc.errors import ConfigurationError, SchemaChangedError, UnavailableError
from cdc.services.changes import Change, OnStep
from cdc.spec import Pipeline, TableSpec, WarehouseSink
from cdc.types import parse_type

# The owner's own privileges come with the view.
_GRANTS = """
    SELECT CASE WHEN acl.grantee <> 0 THEN pg_get_userbyid(acl.grantee) END, acl.privilege_type,
      acl.is_grantable
    FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
    WHERE c.oid = to_regclass(format('%%I.%%I', %s::text, %s::text)) AND acl.grantee <> c.relowner
"""
_REFUSALS = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.WrongObjectType,
    psycopg.errors.DependentObjectsStillExist,
    psycopg.errors.UndefinedColumn,
)
_COMMENT = "SELECT obj_description(to_regclass(format('%%I.%%I', %s::text, %s::text)), 'pg_class')"


class WarehouseObjects:
    """What one PostgreSQL sink needs for every table of the pipeline.

    A view is only made again when its definition changed, told by a hash in its comment: making it takes a
    lock that waits for readers. A table that waits for an approval, named by `blocked`, stays as it is where
    it is: what is declared may be what its new build will have.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        sink: WarehouseSink,
        connections: Connections,
        blocked: Collection[str] = (),
    ) -> None:
        self._pipeline, self._sink, self._blocked = pipeline, sink, blocked
        self._connection = connections.get(sink.connection)

    def pending(self) -> list[Change]:
        """Tables and views that are missing or not as declared.

        Raises:
            SchemaChangedError: a column has another type than the pipeline declares.
        """
        with connect_postgres(self._connection, autocommit=True, application_name="cdc-plan") as connection:
            return [change for table in self._pipeline.tables for change in self._changes(connection, table)]

    def run(self, on_step: OnStep) -> None:
        """Make what is missing, each table in a transaction of its own."""
        for table in self._pipeline.tables:
            with self.session() as session:
                self._make(session, table, on_step)

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection[Any]]:
        """One transaction in the warehouse.

        Raises:
            ConfigurationError: the warehouse refuses a statement.
            UnavailableError: it does not answer.
        """
        with connect_postgres(
            self._connection, application_name="cdc-apply", statement_timeout_s=120
        ) as connection:
            try:
                with connection.transaction():
                    yield connection
            except _REFUSALS as error:
                raise ConfigurationError(
                    f"the warehouse ({self._connection.id}) refuses a statement: {_said(error)}"
                ) from error
            except psycopg.OperationalError as error:
                raise UnavailableError(f"the warehouse ({self._connection.id}): {_said(error)}") from error

    def replace_view(self, connection: psycopg.Connection[Any], table: TableSpec) -> None:
        """Make the readers' view; one that has to be dropped for that keeps its privileges."""
        wanted = [column.name for column in view_columns(table)]
        view = self._sink.view(table.name)
        there = columns_of(connection, *view)
        grants = []
        if list(there) != wanted[: len(there)] or not self._has_types(connection, table, there):
            grants = connection.execute(_GRANTS, view).fetchall()
            connection.execute(warehouse.drop_view(self._sink, table))
        connection.execute(warehouse.create_view(self._sink, table))
        name = warehouse.view_name(self._sink, table)
        comment = SQL("COMMENT ON VIEW {} IS {}").format(name, Literal(self._view_comment(table)))
        connection.execute(comment)
        for grantee, right, option in grants:
            who = Identifier(grantee) if grantee else SQL("PUBLIC")
            grant = SQL("GRANT {} ON {} TO {}").format(SQL(right), name, who)
            connection.execute(grant + SQL(" WITH GRANT OPTION") if option else grant)

    def _has_types(
        self, connection: psycopg.Connection[Any], table: TableSpec, there: Mapping[str, str]
    ) -> bool:
        raw = columns_of(connection, *self._sink.raw_table(table.name))
        shown = {c.name: c.warehouse_shown for c in sink_columns(table) if c.warehouse_shown}
        return all((shown.get(name) or raw.get(name, kind)) == kind for name, kind in there.items())

    def _make(self, connection: psycopg.Connection[Any], table: TableSpec, on_step: OnStep) -> None:
        pending = self._changes(connection, table)
        if not pending:
            return
        *tables, _ = warehouse.statements(self._pipeline, self._sink, table)
        for statement in tables:
            connection.execute(statement)
        self.replace_view(connection, table)
        for change in pending:
            on_step(str(change))

    def _changes(self, connection: psycopg.Connection[Any], table: TableSpec) -> list[Change]:
        raw, view = self._sink.raw_table(table.name), self._sink.view(table.name)
        there = columns_of(connection, *raw)
        wanted = {column.name: column.warehouse for column in sink_columns(table) if column.warehouse}
        subject = f"{self._sink.name}: {'.'.join(raw)}"
        if there and table.name in self._blocked:
            return []
        if not there:
            changes = [Change("ddl", subject, f"create table with {len(wanted)} columns")]
        else:
            _check_types(subject, there, wanted)
            missing = [name for name in wanted if name not in there]
            changes = [Change("ddl", subject, f"add column {name}") for name in missing]
        comment = connection.execute(_COMMENT, view).fetchone()
        if comment is None or comment[0] != self._view_comment(table):
            changes.append(Change("ddl", f"{self._sink.name}: {'.'.join(view)}", "make the readers' view"))
        return changes

    def _view_comment(self, table: TableSpec) -> str:
        text = warehouse.create_view(self._sink, table).as_string(None)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return f"Current rows of {table.source}, kept by pipeline {self._pipeline.name} (definition {digest})"


def _said(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return " ".join(line for line in lines if not line.startswith("HINT")) or type(error).__name__


def _check_types(subject: str, there: dict[str, str], wanted: dict[str, str]) -> None:
    wrong = [
        f"{name} is {there[name]}, declared is {kind}"
        for name, kind in wanted.items()
        if name in there and parse_type(there[name]) != parse_type(kind)
    ]
    if ("_is_deleted" in there) != ("_is_deleted" in wanted):
        wrong.append("the table was made for the other mode")
    if wrong:
        raise SchemaChangedError(
            f"{subject} has columns of other types: {'; '.join(wrong)}. Types are not changed in place: "
            "build it anew (`cdc resync`), or give the table another name in the pipeline"
        )
