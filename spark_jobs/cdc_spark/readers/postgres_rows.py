"""Rows of a PostgreSQL table by key, in PostgreSQL's own text form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pyarrow as pa
from psycopg.sql import SQL, Composable, Composed, Identifier

from cdc.types.text import SESSION_SETTINGS
from cdc_spark.transformations.postgres_text import texts

CHUNK = 1_000
"""Keys in one statement; PostgreSQL takes at most 65,535 parameters."""

RawRow = tuple[bytes | None, ...]


def rows_by_key(
    cursor: psycopg.Cursor[Any],
    relation: Identifier,
    names: Sequence[str],
    keys: pa.Table,
    condition: Composable | None = None,
) -> Iterator[RawRow]:
    """The rows of these keys, the named columns of each; to be run inside a transaction.

    Args:
        cursor: of a connection in a transaction, whose settings change until its end.
        relation: the table.
        names: the columns.
        keys: the key's columns.
        condition: which of the rows.
    """
    for name, value in SESSION_SETTINGS.items():
        cursor.execute("SELECT set_config(%s, %s, true)", (name, value))
    wanted = list(zip(*map(texts, keys.columns), strict=True))
    for begin in range(0, len(wanted), CHUNK):
        chunk = wanted[begin : begin + CHUNK]
        statement = _statement(relation, names, keys.column_names, len(chunk))
        if condition is not None:
            statement += SQL(" AND ({})").format(_escaped(condition))
        cursor.execute(statement, [text for key in chunk for text in key])
        result = cursor.pgresult
        if result is not None:
            for row in range(result.ntuples):
                yield tuple(result.get_value(row, column) for column in range(result.nfields))


def _statement(relation: Identifier, names: Sequence[str], key: Sequence[str], count: int) -> Composed:
    one = SQL("({})").format(SQL(", ").join([SQL("%s")] * len(key)))
    return SQL("SELECT {} FROM {} WHERE ({}) IN ({})").format(
        SQL(", ").join(_escaped(Identifier(name)) for name in names),
        _escaped(relation),
        SQL(", ").join(_escaped(Identifier(name)) for name in key),
        SQL(", ").join([one] * count),
    )


def _escaped(part: Composable) -> SQL:
    """A part of a statement with parameters, in which psycopg reads each percent sign as one's beginning."""
    return SQL(part.as_string(None).replace("%", "%%"))
