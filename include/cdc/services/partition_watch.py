"""Sees what a partitioned or inherited table tells nobody: its parts were changed without events.

TRUNCATE of a leaf, ATTACH of a filled partition, DETACH and DROP are in no event of the captured table. They
change the catalogue: the parts, their files, their bounds. A table whose parts are others than at its last
comparison has to be compared. Before the first one they are those that the table had when its existing rows
were asked for.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.errors import UnavailableError
from cdc.ops import OpsStore
from cdc.spec import Pipeline, TableSpec

Parts = list[list[Any]]
"""Of each part: object id, name, file, bounds, and the transaction that has attached it."""

# The file changes with TRUNCATE, and also with VACUUM FULL, after which the comparison finds nothing. The
# transaction tells of a part that was away for a while: what was written to it then is in no event.
_PARTS = """
    WITH RECURSIVE parts AS (
      SELECT inhrelid, xmin FROM pg_inherits WHERE inhparent = to_regclass({})
      UNION SELECT i.inhrelid, i.xmin FROM pg_inherits i JOIN parts ON i.inhparent = parts.inhrelid
    )
    SELECT c.oid::bigint, c.oid::regclass::text, c.relfilenode::bigint,
      coalesce(pg_get_expr(c.relpartbound, c.oid), ''), parts.xmin::text
    FROM parts JOIN pg_class c ON c.oid = parts.inhrelid ORDER BY c.oid, parts.xmin::text
"""


class PartitionWatch:
    """The parts of a pipeline's tables, now and at their last comparison."""

    def __init__(self, pipeline: Pipeline, connections: Connections, ops: OpsStore) -> None:
        self._pipeline, self._ops = pipeline, ops
        self._admin = connections.get(pipeline.source.admin_connection)

    def parts(self, table: TableSpec) -> Parts | None:
        """The parts of a table now: none of an ordinary one; None when there is no such table."""
        name = sql.Literal(sql.Identifier(table.schema_name, table.table_name).as_string())
        try:
            with connect_postgres(self._admin, autocommit=True, application_name="cdc-reconcile") as session:
                if session.execute(sql.SQL("SELECT to_regclass({})").format(name)).fetchone() == (None,):
                    return None
                return [list(row) for row in session.execute(sql.SQL(_PARTS).format(name)).fetchall()]
        except psycopg.OperationalError as error:
            raise UnavailableError(f"the source does not answer: {error}") from error

    def begin(self) -> None:
        """Record the parts of tables whose existing rows were not asked for yet, and are read after this."""
        asked = self._ops.snapshotted(self._pipeline.name)
        for table in self._pipeline.tables:
            if table.source in asked or self._ops.recorded_parts(self._pipeline.name, table.name) is not None:
                continue
            if parts := self.parts(table):
                self.record(table, parts)

    def changed(self, table: TableSpec, parts: Parts) -> bool:
        """Whether they are others than the recorded ones; without a record they are, if there are any."""
        recorded = self._ops.recorded_parts(self._pipeline.name, table.name)
        return (recorded or []) != parts

    def record(self, table: TableSpec, parts: Parts) -> None:
        """The table agrees with these parts, which were read before it was compared."""
        self._ops.record_parts(self._pipeline.name, table.name, parts)
