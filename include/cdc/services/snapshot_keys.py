"""Keys that a snapshot would tell wrongly, looked for before there is one.

Debezium's snapshot says another day for a date before 1582-10-15 (`docs/types.md`). A value is read again at
the source by its key; a key itself cannot be.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from cdc.spec import TableSpec

FIRST_DAY = "1582-10-15"


def untold_keys(connection: psycopg.Connection[Any], tables: Iterable[TableSpec]) -> list[str]:
    """What is wrong with tables whose keys have such dates; one with a date in its key may be read whole."""
    said = []
    for table in tables:
        for column in table.key_columns:
            if column.pg_type.base != "date":
                continue
            found = connection.execute(
                SQL("SELECT EXISTS (SELECT FROM {} WHERE {} < {} AND isfinite({}))").format(
                    Identifier(table.schema_name, table.table_name),
                    Identifier(column.name),
                    FIRST_DAY,
                    Identifier(column.name),
                )
            ).fetchone()
            if found == (True,):
                said.append(
                    f"{table.source}: key column {column.name!r} has dates before {FIRST_DAY}, which a "
                    "snapshot tells as other days: move these rows elsewhere, or leave the table out"
                )
    return said
