"""The signals by which Debezium is asked for rows of captured tables once more."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier

from cdc.services.connector import collection_pattern, quoted
from cdc.spec.names import join_qualified, split_qualified

SnapshotKind = Literal["incremental", "blocking"]
_NEEDS_QUOTES = re.compile(r"""[\s."'`]""")
_NO_EXPRESSION = re.compile(r"[\\()\[\]{}*+?]")
_WITH_GENERATED = """
    SELECT n.nspname, c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE a.attgenerated = 's' AND NOT a.attisdropped
"""


def ask_for_rows(
    session: psycopg.Connection[Any],
    signal_table: str,
    sources: Collection[str],
    *,
    condition: str = "",
    signal: str = "",
) -> dict[str, SnapshotKind]:
    """Write the signals for these tables, one for each kind of snapshot.

    Args:
        session: to the source, as a role that may write signals.
        signal_table: `schema.table`.
        sources: `schema.table` of each.
        condition: which rows of the only table.
        signal: the signal's number, by which one that is there already is not written again.

    Returns:
        How each table is read.
    """
    generated = {join_qualified(schema, name) for schema, name in session.execute(_WITH_GENERATED)}
    kinds = {source: snapshot_kind(source, generated) for source in sources}
    statement = SQL(
        "INSERT INTO {} (id, type, data) VALUES (%s, 'execute-snapshot', %s) ON CONFLICT DO NOTHING"
    ).format(Identifier(*split_qualified(signal_table)))
    for data in signal_data(kinds, condition):
        session.execute(statement, (signal or str(uuid4()), data))
    return kinds


def snapshot_kind(source: str, generated: Collection[str] = ()) -> SnapshotKind:
    """How the existing rows of a source table are asked for.

    Debezium keeps the tables of an incremental snapshot by name in its offsets and parses them when it reads
    them back, which fails, and ends the task, for a name that needs quotes. It also leaves generated columns
    out of what an incremental snapshot reads, and out of the changes that follow. A blocking snapshot does
    neither.

    Args:
        source: `schema.table`.
        generated: the tables with generated columns that are stored.
    """
    quotes = any(map(_NEEDS_QUOTES.search, split_qualified(source)))
    return "blocking" if quotes or source in generated else "incremental"


def signal_data(kinds: Mapping[str, SnapshotKind], condition: str = "") -> list[str]:
    """The `data` of the `execute-snapshot` signals for these tables: one for each kind.

    Args:
        kinds: by table, how it is read.
        condition: which rows of the only table.
    """
    by_kind: dict[SnapshotKind, list[str]] = {}
    for source, kind in kinds.items():
        by_kind.setdefault(kind, []).append(source)
    return [json.dumps(_document(kind, sources, condition)) for kind, sources in by_kind.items()]


def _document(kind: SnapshotKind, sources: Iterable[str], condition: str) -> dict[str, Any]:
    names = {source: collection_pattern(*split_qualified(source)) for source in sources}
    document: dict[str, Any] = {"type": kind, "data-collections": list(names.values())}
    if not condition:
        return document
    ((source, name),) = names.items()
    # Debezium puts the one into its own statement, and takes the other for the whole of it.
    chosen = f"({condition})"
    if kind == "blocking":
        # It compiles this name too, and then looks for the table that the text names. A table whose name is
        # no expression is read as a whole.
        if _NO_EXPRESSION.search(source):
            return document
        name = quoted(source)
        chosen = f"SELECT * FROM {name} WHERE {chosen}"  # noqa: S608 - quoted, and checked before
    document["additional-conditions"] = [{"data-collection": name, "filter": chosen}]
    return document
