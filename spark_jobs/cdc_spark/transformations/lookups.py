"""What the filling of values that events do not say asks for; `cdc_spark.readers.lookups` answers it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
from psycopg.sql import SQL

from cdc.model.columns import Steps
from cdc.model.floors import Floor


@dataclass(frozen=True)
class StoredRows:
    """A sink's newest rows of some keys.

    Attributes:
        rows: the source columns in their order and types, then `_version`, `_lsn` and `_is_deleted`.
        floor: the table's truncate floor.
    """

    rows: pa.Table
    floor: Floor


@dataclass(frozen=True)
class SourceRows:
    """The source's present rows of some keys, and what gives a repair row its place in the order.

    Attributes:
        generations: those of the topic as it is now.
        ends: the end offset of each partition of the topic, read before the rows.
        lsn: the source's log position, read after the rows while no TRUNCATE could come between.
        values: for each row, its columns as Debezium would send them.
    """

    generations: Steps
    ends: Mapping[int, int]
    lsn: int
    values: Sequence[tuple[Any, ...]]


class Lookups(Protocol):
    """Answers about keys, a table of the key's columns in which no row comes twice."""

    def stored(self, keys: pa.Table) -> StoredRows:
        """The sink's own rows, tombstones included."""

    def source(self, keys: pa.Table) -> SourceRows:
        """The source's rows.

        Raises:
            SchemaChangedError: the source has no such table or columns any more.
        """

    def untrue(self, keys: pa.Table, conditions: Mapping[str, SQL]) -> pa.Table:
        """Those of the keys whose row at the source meets a condition of one of these columns.

        Raises:
            SchemaChangedError: the source has no such table or columns any more.
        """

    def dead_letters(self, keys: Collection[bytes]) -> frozenset[bytes]:
        """Those of the Kafka keys that have a dead letter which was not replayed."""
