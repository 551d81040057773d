"""Rows of a PostgreSQL table by key, in PostgreSQL's own text form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pyarrow as pa
from psycopg.sql import SQL, Composed, Identifier

from cdc_spark.transformations.postgres_text import SETTINGS

CHUNK = 1_000
"""Keys in one statement; PostgreSQL takes at most 65,535 parameters."""

RawRow = tuple[bytes | None, ...]


def rows_by_key(
    cursor: psycopg.Cursor[Any], relation: Identifier, names: Sequence[str], keys: pa.Table
) -> Iterator[RawRow]:
    """The rows of these keys, the named columns of each; to be run inside a transaction.

    Args:
        cursor: of a connection in a transaction, whose settings change until its end.
        relation: the table.
        names: the columns.
        keys: the key's columns.
    """
    for name, value in SETTINGS.items():
        cursor.execute("SELECT set_config(%s, %s, true)", (name, value))
    wanted = list(zip(*(key_texts(column) for column in keys.columns), strict=True))
    for begin in range(0, len(wanted), CHUNK):
        chunk = wanted[begin : begin + CHUNK]
        statement = _statement(relation, names, keys.column_names, len(chunk))
        cursor.execute(statement, [text for key in chunk for text in key])
        result = cursor.pgresult
        if result is not None:
            for row in range(result.ntuples):
                yield tuple(result.get_value(row, column) for column in range(result.nfields))


def key_texts(column: pa.ChunkedArray) -> list[str]:
    """Key values as literals that PostgreSQL reads as the column's own type, so that its index is used."""
    if pa.types.is_binary(column.type):
        return [f"\\x{value.hex()}" for value in column.to_pylist()]
    texts: list[str] = column.cast(pa.string()).to_pylist()
    return texts


def _statement(relation: Identifier, names: Sequence[str], key: Sequence[str], count: int) -> Composed:
    one = SQL("({})").format(SQL(", ").join([SQL("%s")] * len(key)))
    return SQL("SELECT {} FROM {} WHERE ({}) IN ({})").format(
        SQL(", ").join(map(Identifier, names)),
        relation,
        SQL(", ").join(map(Identifier, key)),
        SQL(", ").join([one] * count),
    )
