"""Whoever reads a table at the source by the columns that are known reads what lies above every event so far.

So it must not be without a column that the table has by then: events that have it lie below, and are lost.
"""

from __future__ import annotations

from typing import Any

import psycopg

from cdc.clients.postgres import columns_of
from cdc.errors import SchemaChangedError
from cdc.spec import TableSpec


def refuse_undeclared(cursor: psycopg.Cursor[Any], table: TableSpec) -> None:
    """See that the table has no column but those that are declared or left out, while its lock is held.

    Raises:
        SchemaChangedError: it has another one.
    """
    known = {*(column.name for column in table.columns), *table.exclude, *table.vanished}
    more = sorted(columns_of(cursor, table.schema_name, table.table_name).keys() - known)
    if more:
        raise SchemaChangedError(
            f"{table.source} has {', '.join(map(repr, more))} by now, which is not known yet: the stream "
            "follows it with its first event, DAG cdc_schema within ten minutes, and "
            f"`cdc schema apply {table.name}` at once; then try again"
        )
