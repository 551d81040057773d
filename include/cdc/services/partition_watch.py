"""Sees what a table tells nobody: its parts or its definition were changed without events.

TRUNCATE of a leaf, ATTACH of a filled partition, DETACH and DROP are in no event of the captured table. They
change the catalogue: the parts, their files, their bounds. A definition that was another one for a while
leaves the transaction's number in the catalogue's rows: what was rewritten then (`ALTER COLUMN … TYPE …
USING`, `SET EXPRESSION`) is in no event, and events of then name rows, columns and labels as they were. A
table of which either is not as at its last comparison has to be compared. Before the first one it is as when
its existing rows were asked for.
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
"""Of each part: object id, name, file, bounds, and the transaction that has attached it; then of each column,
label and unique index: what it is, its number in the catalogue, and the transaction that has changed it."""

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

# Indexes: of a replica identity, which is set there; other indexes name no rows. Labels and attributes also
# of types within the columns' own.
_HISTORY = """
    WITH RECURSIVE relations(oid) AS (
      SELECT to_regclass({name})::oid
      UNION SELECT inhrelid FROM pg_inherits JOIN relations ON inhparent = relations.oid
    ), types(oid, relation) AS (
      SELECT t.oid, t.typrelid FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
      WHERE a.attrelid = to_regclass({name}) AND a.attnum > 0
      UNION
      SELECT within.oid, within.typrelid
      FROM types JOIN pg_type outer_type ON outer_type.oid = types.oid
      LEFT JOIN pg_range r ON types.oid IN (r.rngtypid, r.rngmultitypid)
      LEFT JOIN pg_attribute a ON a.attrelid = types.relation AND types.relation <> 0 AND a.attnum > 0
      JOIN pg_type within
        ON within.oid IN (outer_type.typelem, outer_type.typbasetype, r.rngsubtype, a.atttypid)
    )
    SELECT 'column', attrelid::bigint * 65536 + attnum, xmin::text FROM pg_attribute
    WHERE attnum > 0 AND NOT attisdropped AND (attrelid = to_regclass({name})
      OR attrelid IN (SELECT relation FROM types WHERE relation <> 0))
    UNION ALL
    SELECT 'label', oid::bigint, xmin::text FROM pg_enum WHERE enumtypid IN (SELECT oid FROM types)
    UNION ALL
    SELECT 'index', indexrelid::bigint, xmin::text FROM pg_index
    WHERE indisunique AND indrelid IN (SELECT oid FROM relations)
    ORDER BY 1, 2
"""


class PartitionWatch:
    """Parts and definitions of a pipeline's tables, now and at their last comparison."""

    def __init__(self, pipeline: Pipeline, connections: Connections, ops: OpsStore) -> None:
        self._pipeline, self._ops = pipeline, ops
        self._admin = connections.get(pipeline.source.admin_connection)

    def parts(self, table: TableSpec) -> Parts | None:
        """The parts and the definition of a table now; None when there is no such table."""
        name = sql.Literal(sql.Identifier(table.schema_name, table.table_name).as_string())
        try:
            with connect_postgres(self._admin, autocommit=True, application_name="cdc-reconcile") as session:
                if session.execute(sql.SQL("SELECT to_regclass({})").format(name)).fetchone() == (None,):
                    return None
                parts = session.execute(sql.SQL(_PARTS).format(name)).fetchall()
                history = session.execute(sql.SQL(_HISTORY).format(name=name)).fetchall()
                return [list(row) for row in (*parts, *history)]
        except psycopg.OperationalError as error:
            raise UnavailableError(f"the source does not answer: {error}") from error

    def begin(self) -> None:
        """Record those of tables whose existing rows were not asked for yet, and are read after this."""
        asked = self._ops.snapshotted(self._pipeline.name)
        for table in self._pipeline.tables:
            if table.source in asked or self._ops.recorded_parts(self._pipeline.name, table.name) is not None:
                continue
            if (parts := self.parts(table)) is not None:
                self.record(table, parts)

    def changed(self, table: TableSpec, parts: Parts) -> bool:
        """Whether they are others than the recorded ones; without a record they are, if there are any parts.

        What was added to a definition since, and was not there to be changed, is none of it.
        """
        recorded = self._ops.recorded_parts(self._pipeline.name, table.name) or []
        before, now = _apart(recorded), _apart(parts)
        return before[0] != now[0] or not before[1] <= now[1]

    def record(self, table: TableSpec, parts: Parts) -> None:
        """The table agrees with these parts, which were read before it was compared."""
        self._ops.record_parts(self._pipeline.name, table.name, parts)


def _apart(found: Parts) -> tuple[Parts, set[tuple[Any, ...]]]:
    """The parts, and the definition."""
    parts = [entry for entry in found if isinstance(entry[0], int)]
    return parts, {tuple(entry) for entry in found if isinstance(entry[0], str)}
