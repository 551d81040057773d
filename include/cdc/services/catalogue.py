"""What the source's catalogue says about tables: one query. What of it can be captured: `capturable`.

Source of the meaning of each column: PostgreSQL documentation,
chapter "System Catalogs".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import dict_row

from cdc.model.source_table import OldRows
from cdc.spec.names import join_qualified
from cdc.types.kinds import EXTENSIONS, KINDS

_TABLES = """
    SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
      c.oid::bigint AS oid, c.relnatts AS numbers_used,
      CASE WHEN EXISTS (SELECT 1 FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid
        WHERE p.relpersistence = 'u') THEN 'u' ELSE c.relpersistence::text END AS persistence,
      -- the log has every row, but the role that reads the existing ones may not see all of them
      c.relrowsecurity AND NOT coalesce((SELECT r.rolsuper OR r.rolbypassrls
        OR (NOT c.relforcerowsecurity AND pg_has_role(r.oid, c.relowner, 'USAGE'))
        FROM pg_roles r WHERE r.rolname = coalesce(%(role)s::text, current_user)), false) AS rows_hidden,
      pg_get_userbyid(c.relowner) AS owner,
      CASE WHEN c.relispartition THEN (SELECT format('%%I.%%I', rn.nspname, r.relname)
        FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace
        WHERE r.oid = pg_partition_root(c.oid)) END AS partition_of,
      -- a partition logs by its own identity, whatever that of the table is
      CASE WHEN EXISTS (SELECT 1 FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid
        WHERE p.relreplident = 'n') THEN 'n' ELSE c.relreplident::text END AS replica_identity,
      -- one look into an index for each table and partition: with OR it would read all of pg_index each time
      NOT EXISTS (SELECT 1
        FROM (SELECT c.oid AS relid UNION ALL SELECT relid FROM pg_partition_tree(c.oid)) t
        JOIN pg_index i ON i.indrelid = t.relid
        JOIN pg_index k ON k.indrelid = i.indrelid AND k.indisprimary
        -- what an index only INCLUDEs is no part of a key, and is not logged either; indkey counts from 0
        WHERE i.indisreplident AND NOT (k.indkey::int2[])[:k.indnkeyatts - 1]
          <@ (i.indkey::int2[])[:i.indnkeyatts - 1]) AS identity_has_key,
      EXISTS (SELECT 1 FROM pg_index x WHERE x.indrelid = c.oid AND x.indisprimary AND NOT x.indimmediate)
        AS key_deferrable,
      c.relkind = 'r' AND EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhparent = c.oid) AS has_children,
      coalesce((SELECT array_agg(a.attname ORDER BY k.position) FROM pg_index x
        CROSS JOIN LATERAL unnest((x.indkey::int2[])[:x.indnkeyatts - 1])
          WITH ORDINALITY AS k(number, position)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
        WHERE x.indrelid = c.oid AND x.indisprimary), '{}')::text[] AS key,
      (SELECT json_agg(json_build_object('name', a.attname, 'not_null', a.attnotnull,
          'number', a.attnum, 'has_constant', a.atthasmissing,
          'constant', (a.attmissingval::text::text[])[1],
          -- a domain may bring a default of its own
          'computed', a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
          'generated', a.attgenerated, 'type', format_type(b.oid, b.modifier), 'dimensions', a.attndims,
          'element', e.typname, 'element_kind', e.typtype, 'is_array', base.typcategory = 'A',
          'built_in', en.nspname = 'pg_catalog',
          'publishable', current_setting('server_version_num')::int >= 180000,
          'type_name', CASE WHEN t.typtype = 'd' THEN format('%%s.%%s', tn.nspname, t.typname)
            WHEN en.nspname <> 'pg_catalog' THEN format('%%s.%%s', en.nspname, e.typname) END,
          -- Debezium looks a type up by its name: in the table's schema first, where a table's row type of
          -- that name does no harm
          'ambiguous', EXISTS (SELECT 1 FROM pg_type other WHERE other.typname = e.typname AND CASE
            WHEN en.nspname <> 'pg_catalog' THEN other.typnamespace = 'pg_catalog'::regnamespace
            ELSE other.typnamespace = n.oid AND NOT EXISTS (SELECT 1 FROM pg_class r
              WHERE r.oid = other.typrelid AND r.relkind <> 'c') END),
          'values', (SELECT json_agg(v.enumlabel ORDER BY v.enumsortorder)
            FROM pg_enum v WHERE v.enumtypid = e.oid),
          -- PostgreSQL's own types are numbered below and do not change
          'parts', CASE WHEN a.atttypid >= 16384 THEN (
            WITH RECURSIVE within(oid) AS (
              SELECT a.atttypid
              UNION SELECT next.oid FROM within w JOIN pg_type wt ON wt.oid = w.oid CROSS JOIN LATERAL (
                SELECT wt.typbasetype WHERE wt.typtype = 'd'
                UNION ALL SELECT wt.typelem WHERE wt.typcategory = 'A'
                UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE wt.oid IN (g.rngtypid, g.rngmultitypid)
                UNION ALL SELECT p.atttypid FROM pg_attribute p
                  WHERE wt.typtype = 'c' AND p.attrelid = wt.typrelid AND p.attnum > 0 AND NOT p.attisdropped
              ) AS next(oid))
            SELECT json_object_agg(part, said) FROM (
              SELECT format('label %%s', v.oid) AS part, v.enumlabel::text AS said
              FROM within JOIN pg_enum v ON v.enumtypid = within.oid
              UNION ALL SELECT format('attribute %%s.%%s', p.attrelid, p.attnum),
                format('%%s %%s', p.atttypid, p.atttypmod)
              FROM within JOIN pg_type c ON c.oid = within.oid AND c.typtype = 'c'
              JOIN pg_attribute p ON p.attrelid = c.typrelid AND p.attnum > 0 AND NOT p.attisdropped
            ) AS parts) END
        ) ORDER BY a.attnum)
        FROM pg_attribute a
        JOIN pg_type t ON t.oid = a.atttypid
        JOIN pg_namespace tn ON tn.oid = t.typnamespace
        CROSS JOIN LATERAL (WITH RECURSIVE d(oid, modifier, depth) AS (
            SELECT t.oid, a.atttypmod, 0
            UNION ALL SELECT o.typbasetype, CASE WHEN o.typtypmod >= 0 THEN o.typtypmod ELSE d.modifier END,
              d.depth + 1 FROM d JOIN pg_type o ON o.oid = d.oid AND o.typtype = 'd')
          SELECT d.oid, d.modifier FROM d ORDER BY d.depth DESC LIMIT 1) AS b
        JOIN pg_type base ON base.oid = b.oid
        JOIN pg_type e ON e.oid = CASE WHEN base.typcategory = 'A' THEN base.typelem ELSE base.oid END
        JOIN pg_namespace en ON en.oid = e.typnamespace
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema'
      AND n.nspname NOT LIKE 'pg\\_%%' AND (%(schemas)s::text[] IS NULL OR n.nspname = ANY(%(schemas)s))
    ORDER BY n.nspname, c.relname
"""
_BY_NAME = EXTENSIONS | {name for name, kind in KINDS.items() if kind.warehouse and kind.lost}
"""Types of extensions that the type map knows by their names."""


@dataclass(frozen=True)
class SourceColumn:
    """A column as the catalogue has it.

    Attributes:
        type: what a pipeline file would say.
        generated: it is generated, and the server does not publish it.
        ambiguous: of its type, or that of its elements, and another one Debezium cannot tell which it is.
        number: PostgreSQL's, which a rename keeps.
        old_rows: what rows have that were there before the column was added.
        constant: of a constant, PostgreSQL's text of it.
        parts: as `FoundColumn` has them.
    """

    name: str
    type: str
    not_null: bool
    generated: bool
    values: tuple[str, ...] = ()
    type_name: str = ""
    number: int = 0
    old_rows: OldRows = OldRows.NULL
    constant: str | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    ambiguous: bool = False


@dataclass(frozen=True)
class SourceTable:
    """A table, view or foreign table of the source.

    Attributes:
        persistence: PostgreSQL's letter; `u` also when a partition of the table has it.
        partition_of: the partitioned table whose rows it holds some of.
        replica_identity: PostgreSQL's letter; `n` also when a partition of the table has it.
        rows_hidden: row level security hides rows from the role that captures.
        identity_has_key: an index that is the replica identity, of a partition too, has the whole key.
        key_deferrable: two rows may have the same key until the end of a transaction.
        oid: PostgreSQL's number of the table, which a rename keeps.
        numbers_used: the highest number that a column of it ever had.
    """

    schema: str
    name: str
    kind: str
    persistence: str
    rows_hidden: bool
    has_children: bool
    owner: str
    key: tuple[str, ...]
    columns: tuple[SourceColumn, ...]
    partition_of: str | None = None
    replica_identity: str = "d"
    identity_has_key: bool = True
    key_deferrable: bool = False
    oid: int = 0
    numbers_used: int = 0

    @property
    def qualified(self) -> str:
        """`schema.table` as pipelines write it."""
        return join_qualified(self.schema, self.name)


def read_tables(
    connection: psycopg.Connection[Any], schemas: Sequence[str] | None = None, *, role: str | None = None
) -> tuple[SourceTable, ...]:
    """Every table of the database that this session can see, or of some schemas.

    Args:
        connection: to the source.
        schemas: all by default.
        role: who captures them; by default the session's own.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        chosen = None if schemas is None else list(schemas)
        cursor.execute(_TABLES, {"schemas": chosen, "role": role})
        return tuple(_table(row) for row in cursor.fetchall())


def _table(row: dict[str, Any]) -> SourceTable:
    return SourceTable(
        schema=row["schema"],
        name=row["name"],
        kind=row["kind"],
        persistence=row["persistence"],
        rows_hidden=row["rows_hidden"],
        has_children=row["has_children"],
        owner=row["owner"],
        key=tuple(row["key"]),
        partition_of=row["partition_of"],
        replica_identity=row["replica_identity"],
        identity_has_key=row["identity_has_key"],
        key_deferrable=row["key_deferrable"],
        oid=row["oid"],
        numbers_used=row["numbers_used"],
        columns=tuple(_column(item) for item in row["columns"] or ()),
    )


def _column(item: dict[str, Any]) -> SourceColumn:
    return SourceColumn(
        name=item["name"],
        type=_type_text(item),
        not_null=item["not_null"],
        generated=item["generated"] == "v" or (item["generated"] == "s" and not item["publishable"]),
        values=tuple(item["values"] or ()),
        type_name=item["type_name"] or "",
        number=item["number"],
        old_rows=_old_rows(item),
        constant=item["constant"],
        parts=item["parts"] or {},
        ambiguous=item["ambiguous"],
    )


def _old_rows(item: dict[str, Any]) -> OldRows:
    if item["has_constant"]:
        return OldRows.CONSTANT
    return OldRows.UNKNOWN if item["computed"] else OldRows.NULL


def _type_text(item: dict[str, Any]) -> str:
    """The type as a pipeline says it: a type that is not PostgreSQL's own has the name of what it is like."""
    brackets = "[]" * max(item["dimensions"], 1) if item["is_array"] else ""
    if item["built_in"]:
        # PostgreSQL's own name of an array has one pair of brackets, however it was declared.
        return str(item["type"]).removesuffix("[]") + brackets
    element = str(item["element"])
    if item["element_kind"] == "e":
        element = "enum"
    elif element not in _BY_NAME:
        # Also an array of a domain, of whose elements Debezium sends PostgreSQL's text.
        element = "other"
    return element + brackets


def published_tables(connection: psycopg.Connection[Any], publication: str) -> set[tuple[str, str]]:
    """Schema and name of each table of a publication; none when there is no such publication."""
    statement = "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = %s"
    return set(connection.execute(statement, (publication,)).fetchall())
