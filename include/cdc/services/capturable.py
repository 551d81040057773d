"""Which of the source's tables can be captured, and where they are not what a pipeline declares. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from cdc.errors import DataError
from cdc.model.source_table import FoundColumn, FoundTable
from cdc.services.catalogue import SourceColumn, SourceTable
from cdc.services.connector import quoted
from cdc.spec import TableSpec
from cdc.spec.tables import Mode
from cdc.types import PgType, parse_type

_KINDS = {
    "v": "is a view, which has no changes of its own: capture the tables it reads",
    "m": "is a materialized view, which has no changes of its own: capture the tables it reads",
    "f": "is a foreign table: capture it on its own server",
}


_AMBIGUOUS = (
    "whose type has the name of one of PostgreSQL's own and of one of the source's, and Debezium takes the "
    "wrong one: ALTER TYPE … RENAME TO …, or leave the table out"
)


def refusal(table: SourceTable, excluded: Collection[str] = (), *, changelog: bool = False) -> str | None:
    """Why a table without its excluded columns cannot be captured without losing something, or None."""
    if why := _unseen(table):
        return why
    if why := _changelog_refusal(table) if changelog else _key_refusal(table):
        return why
    if why := _debezium_stops(table):
        return why
    for column in table.columns:
        if column.name not in excluded and (why := _column_refusal(column, in_key=column.name in table.key)):
            return why
    return None


def _unseen(table: SourceTable) -> str | None:
    """Why changes or rows of a table would be missed, whatever its key and its columns are."""
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
    if table.rows_hidden:
        return (
            "has row level security, which would hide rows from the role that captures it: ALTER ROLE … "
            "BYPASSRLS, disable it, or leave the table out"
        )
    if table.has_children:
        return "is inherited by other tables, whose rows a snapshot of it would include: list each by itself"
    return None


def _debezium_stops(table: SourceTable) -> str | None:
    # Debezium looks at all columns of a table, also at those that it leaves out.
    times = Counter(column.name.lower() for column in table.columns)
    if alike := [repr(column.name) for column in table.columns if times[column.name.lower()] > 1]:
        return (
            f"has columns that differ only in case ({', '.join(alike)}), with which Debezium stops for every "
            "table: rename one of them, or leave the table out"
        )
    if ambiguous := [repr(column.name) for column in table.columns if column.ambiguous]:
        return f"has columns ({', '.join(ambiguous)}) {_AMBIGUOUS}"
    return None


def _changelog_refusal(table: SourceTable) -> str | None:
    return _partitioned(table) or _partial_identity(table)


def _partitioned(table: SourceTable) -> str | None:
    if table.kind == "p":
        return (
            "is partitioned, and a partition that is made later has no REPLICA IDENTITY FULL, so PostgreSQL "
            "would refuse its UPDATEs: capture it by a primary key, or leave the table out"
        )
    return None


def _partial_identity(table: SourceTable) -> str | None:
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
    return _refused_updates(table) or _keyless_identity(table)


def _refused_updates(table: SourceTable) -> str | None:
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
    return None


def _keyless_identity(table: SourceTable) -> str | None:
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
    return declared == actual or declared.widens(actual)


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
            column.parts,
            column.generated,
        )
        for column in table.columns
    )
    misleading = {"rows": _keyless_identity(table) or "", "changelog": _partial_identity(table) or ""}
    unseen = _unseen(table) or ""
    uncapturable = {
        "rows": unseen or _refused_updates(table) or "",
        "changelog": unseen or _partitioned(table) or "",
    }
    return FoundTable(
        table.qualified, table.oid, table.key, columns, table.numbers_used, misleading, uncapturable
    )


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
    if column.ambiguous:
        return f"has column {column.name!r} {_AMBIGUOUS}"
    try:
        lost = parse_type(column.type).lost
    except DataError as error:
        return f"has column {column.name!r}: {error}"
    if in_key and (lost or column.generated):
        why = lost or "it is a generated column that PostgreSQL does not publish"
        return f"has key column {column.name!r}, by which no event can name its row: {why}"
    return None
