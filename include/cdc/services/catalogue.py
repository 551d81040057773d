"""What the source's catalogue says about tables, and what of it can be captured.

Reading is one query; the rest is pure. Source of the meaning of each column: PostgreSQL documentation,
chapter "System Catalogs".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from cdc.errors import DataError
from cdc.model.source_table import FoundColumn, FoundTable, OldRows
from cdc.services.connector import quoted
from cdc.spec import TableSpec
from cdc.spec.names import join_qualified
from cdc.spec.tables import Mode
from cdc.types import PgType, parse_type
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
          'values', (SELECT json_agg(v.enumlabel ORDER BY v.enumsortorder)
            FROM pg_enum v WHERE v.enumtypid = e.oid)
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
_KINDS = {
    "v": "is a view, which has no changes of its own: capture the tables it reads",
    "m": "is a materialized view, which has no changes of its own: capture the tables it reads",
    "f": "is a foreign table: capture it on its own server",
}


@dataclass(frozen=True)
class SourceColumn:
    """A column as the catalogue has it.

    Attributes:
        type: what a pipeline file would say.
        generated: it is generated, and the server does not publish it.
        number: PostgreSQL's, which a rename keeps.
        old_rows: what rows have that were there before the column was added.
        constant: of a constant, PostgreSQL's text of it.
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


def refusal(table: SourceTable, excluded: Collection[str] = (), *, changelog: bool = False) -> str | None:
    """Why a table without its excluded columns cannot be captured without losing something, or None."""
    if table.kind in _KINDS:
        return _KINDS[table.kind]
    if table.persistence != "p":
        word = "unlogged" if table.persistence == "u" else "temporary"
        return (
            f"is {word}, so its changes are not in the write-ahead log: ALTER TABLE … SET LOGGED, of its "
            "partitions too"
        )
    if table.partition_of:
        return f"is a partition of {table.partition_of}: capture that table, whose name its changes carry"
    if why := _changelog_refusal(table) if changelog else _key_refusal(table):
        return why
    if table.rows_hidden:
        return (
            "has row level security, which would hide rows from the role that captures it: ALTER ROLE … "
            "BYPASSRLS, disable it, or leave the table out"
        )
    if table.has_children:
        return "is inherited by other tables, whose rows a snapshot of it would include: list each by itself"
    if alike := _alike(table):
        return (
            f"has columns that differ only in case ({', '.join(alike)}), with which Debezium stops for every "
            "table: rename one of them, or leave the table out"
        )
    for column in table.columns:
        if column.name not in excluded and (why := _column_refusal(column, in_key=column.name in table.key)):
            return why
    return None


def _alike(table: SourceTable) -> list[str]:
    # Debezium looks at all columns of a table, also at those that it leaves out.
    times = Counter(column.name.lower() for column in table.columns)
    return [repr(column.name) for column in table.columns if times[column.name.lower()] > 1]


def _changelog_refusal(table: SourceTable) -> str | None:
    if table.kind == "p":
        return (
            "is partitioned, and a partition that is made later has no REPLICA IDENTITY FULL, so PostgreSQL "
            "would refuse its UPDATEs: capture it by a primary key, or leave the table out"
        )
    if table.replica_identity != "f":
        return (
            "has no REPLICA IDENTITY FULL, without which a changelog has no rows before a change, and "
            "PostgreSQL refuses UPDATE and DELETE on a published table without a key: "
            f"ALTER TABLE {quoted(table.qualified)} REPLICA IDENTITY FULL"
        )
    return None


def _key_refusal(table: SourceTable) -> str | None:
    if not table.key:
        return (
            "has no primary key, by which its rows are told apart: add one (ALTER TABLE … ADD PRIMARY KEY), "
            "append every event with mode: changelog (`cdc discover --mode changelog`), or leave the table "
            "out"
        )
    if table.key_deferrable:
        return (
            "has a DEFERRABLE primary key: two rows may have one key for a while, so their changes cannot be "
            "told apart, and PostgreSQL refuses its UPDATEs once it is published: make the key NOT "
            "DEFERRABLE, or append every event with mode: changelog"
        )
    if table.replica_identity == "n":
        return (
            "has REPLICA IDENTITY NOTHING, with which PostgreSQL refuses every UPDATE and DELETE once it is "
            "published: ALTER TABLE … REPLICA IDENTITY DEFAULT, of its partitions too"
        )
    if not table.identity_has_key:
        return (
            "has an index without the primary key's columns as REPLICA IDENTITY, so a deleted row's key is "
            "not logged: ALTER TABLE … REPLICA IDENTITY DEFAULT or FULL, of its partitions too"
        )
    return None


def differences(declared: TableSpec, found: SourceTable | None) -> list[str]:
    """Where the source is not what the pipeline declares; empty when it is."""
    if found is None:
        return [f"{declared.source} does not exist at the source, or the owner's role cannot see it"]
    said = []
    if why := refusal(found, declared.exclude, changelog=declared.changelog):
        return [f"{declared.source} {why}"]
    if not declared.changelog and tuple(found.key) != declared.key:
        said.append(f"{declared.source}: primary key is {list(found.key)}, declared is {list(declared.key)}")
    columns = {column.name: column for column in found.columns}
    for name in declared.exclude:
        columns.pop(name, None)
    for column in declared.live_columns:
        actual = columns.pop(column.name, None)
        if actual is None:
            said.append(f"{declared.source}.{column.name} does not exist at the source")
        elif not _same_type(parse_type(actual.type), parse_type(column.type)):
            said.append(f"{declared.source}.{column.name} is {actual.type}, declared is {column.type}")
        elif actual.generated and not column.from_source:
            said.append(
                f"{declared.source}.{column.name} is a generated column that PostgreSQL does not publish: "
                "declare it `from: source`"
            )
        elif not column.nullable and not actual.not_null:
            said.append(f"{declared.source}.{column.name} can be NULL, declared is nullable: false")
    said += [
        f"{declared.source}.{name} is not declared: add it under columns, or to exclude" for name in columns
    ]
    return said


def _same_type(actual: PgType, declared: PgType) -> bool:
    """An array may be declared with more brackets than it has at the source, to keep all that it can hold."""
    if actual.dimensions and declared.dimensions > actual.dimensions:
        return actual.element == declared.element
    return actual == declared


def as_found(table: SourceTable) -> FoundTable:
    """The table as the rules about changes see it."""
    columns = tuple(
        FoundColumn(
            column.name,
            column.type,
            column.not_null,
            column.number,
            column.old_rows,
            column.constant,
            column.values,
            column.type_name,
            _column_refusal(column, in_key=column.name in table.key) or "",
        )
        for column in table.columns
    )
    return FoundTable(table.qualified, table.oid, table.key, columns, table.numbers_used)


def entry(table: SourceTable, stream: str | None = None, mode: Mode = "rows") -> dict[str, Any]:
    """The table as an entry of a pipeline file."""
    columns = []
    for column in table.columns:
        item: dict[str, Any] = {"name": column.name, "type": column.type}
        if column.not_null:
            item["nullable"] = False
        if column.values:
            item["values"] = list(column.values)
        if column.type_name:
            item["type_name"] = column.type_name
        if column.generated:
            item["from"] = "source"
        columns.append(item)
    head: dict[str, Any] = {"source": table.qualified}
    if stream:
        head["stream"] = stream
    told = {"key": list(table.key)} if mode == "rows" else {"mode": mode}
    return {**head, **told, "columns": columns}


def _column_refusal(column: SourceColumn, *, in_key: bool) -> str | None:
    try:
        lost = parse_type(column.type).lost
    except DataError as error:
        return f"has column {column.name!r}: {error}"
    if in_key and (lost or column.generated):
        why = lost or "it is a generated column that PostgreSQL does not publish"
        return f"has key column {column.name!r}, by which no event can name its row: {why}"
    return None


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
