"""The rows that travel from the parser, through the job's transformations, to the writers.

Source columns come first, then the lineage. Every column is nullable, because a delete carries the key alone.
A change's `_note` is a JSON object of values that travel as PostgreSQL's own text, by column (`beyond`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pyarrow as pa

from cdc.spec import TableSpec
from cdc.types import spark_type
from cdc_spark.schemas.arrow import arrow_type


class Operation(StrEnum):
    """What a row is: Debezium's letters and ours. The last three never reach a sink's table."""

    CREATE = "c"
    READ = "r"
    UPDATE = "u"
    DELETE = "d"
    BEFORE = "b"
    """Of a changelog: the row before an update."""
    EMPTIED = "e"
    """Of a changelog: a TRUNCATE has removed every row."""
    SNAPSHOT = "s"
    """Of a changelog: the rows are read anew, and what came before counts no more."""
    TRUNCATE = "t"
    BAD = "!"
    """An event that could not be read; `_note` says why."""
    SEEN = "#"
    """What the parser saw in one Arrow batch; `_note` is a JSON object of counts and offsets."""


LINEAGE_FIELDS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("processed_at", pa.timestamp("us", tz="UTC"), "timestamp"),
    ("_version", pa.int64(), "long"),
    ("_op", pa.string(), "string"),
    ("_lsn", pa.int64(), "long"),
    ("_tx_id", pa.int64(), "long"),
    ("_source_ts", pa.timestamp("us", tz="UTC"), "timestamp"),
    ("_partition", pa.int32(), "integer"),
    ("_offset", pa.int64(), "long"),
    ("_note", pa.string(), "string"),
)
"""Name, Arrow type and Spark type of the columns after the source's."""


def row_schema(table: TableSpec) -> pa.Schema:
    """The Arrow schema of a table's rows before its derived columns."""
    fields = [(column.name, arrow_type(column.pg_type)) for column in table.columns]
    return pa.schema([*fields, *((name, arrow) for name, arrow, _ in LINEAGE_FIELDS)])


def spark_schema(table: TableSpec) -> dict[str, Any]:
    """The same schema for Spark, in the JSON form of `StructType.fromJson`."""
    fields = [(column.name, spark_type(column.pg_type)) for column in table.columns]
    fields += [(name, spark) for name, _, spark in LINEAGE_FIELDS]
    return {
        "type": "struct",
        "fields": [{"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in fields],
    }
