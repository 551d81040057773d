"""Whoever reads a table at the source by the columns that are known reads what lies above every event so far.

So it must not be without a column that the table has by then: events that have it lie below, and are lost.
"""

from __future__ import annotations

from typing import Any

import psycopg

from cdc.errors import SchemaChangedError
from cdc.spec import TableSpec

_COLUMNS = """
    SELECT attname::text FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped
      AND attrelid = to_regclass(format('%%I.%%I', %s::text, %s::text))
"""


def refuse_undeclared(cursor: psycopg.Cursor[Any], table: TableSpec) -> None:
    """See that the table has no column but those that are declared or left out, while its lock is held.

    Raises:
        SchemaChangedError: it has another one.
    """
    cursor.execute(_COLUMNS, (table.schema_name, table.table_name))
    known = {*(column.name for column in table.columns), *table.exclude, *table.vanished}
    more = sorted({row[0] for row in cursor.fetchall()} - known)
    if more:
        raise SchemaChangedError(
            f"{table.source} has {', '.join(map(repr, more))} by now, which is not known yet: the stream "
            "follows it with its first event, DAG cdc_schema within ten minutes, and "
            f"`cdc schema apply {table.name}` at once; then try again"
        )
