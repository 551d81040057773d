"""Answers for the filling of values that events do not say: the sink, the source, the ops store."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
from psycopg.sql import SQL, Composable, Identifier

from cdc.clients.kafka import KafkaClient
from cdc.clients.postgres import connect_postgres, log_end
from cdc.connections import Connection
from cdc.errors import ConfigurationError, SchemaChangedError, UnavailableError
from cdc.model.columns import Steps
from cdc.ops import OpsStore
from cdc.services.undeclared import refuse_undeclared
from cdc.services.visible import wait_visible
from cdc.spec import TableSpec
from cdc_spark.readers.generations import checked_generations
from cdc_spark.readers.postgres_rows import RawRow, rows_by_key
from cdc_spark.transformations.keys import doubtful
from cdc_spark.transformations.limits import POSTGRES
from cdc_spark.transformations.lookups import SourceRows, StoredRows
from cdc_spark.transformations.read_back import debezium_value
from cdc_spark.transformations.values import convert
from cdc_spark.writers.base import TableWriter


def source_values(table: TableSpec, row: RawRow) -> tuple[Any, ...]:
    """A row of the source's columns as an event has it; a column that the source has no more is NULL."""
    texts = dict(zip((column.name for column in table.live_columns), row, strict=True))
    return tuple(debezium_value(texts.get(column.name), column.pg_type) for column in table.columns)


@dataclass(frozen=True)
class TableLookups:
    """The lookups of one table for one sink; made on the driver, pickled, used on executors.

    Nothing is connected before something is asked, which most tasks never do.

    Args:
        writer: knows the sink.
        source: the capturing role, which may read the table.
        bootstrap: Kafka's bootstrap servers.
        generations: the topic's as it is now; None to ask the ops store for them, after a look at whether the
            topic is the recorded one.
    """

    pipeline: str
    sink: str
    table: TableSpec
    topic: str
    writer: TableWriter
    source_connection: Connection
    bootstrap: str
    ops: OpsStore
    generations: Steps | None = None

    def stored(self, keys: pa.Table) -> StoredRows:
        """The sink's own rows, tombstones included."""
        return self.writer.newest(keys)

    def dead_letters(self, keys: Collection[bytes]) -> frozenset[bytes]:
        """Those of the keys that may have an open dead letter; all of them when nobody can tell."""
        try:
            return doubtful(keys, self.ops.open_keys(self.pipeline, self.table.name, self.sink), self.table)
        except UnavailableError:
            return frozenset(keys)
        finally:
            self.ops.close()

    def source(self, keys: pa.Table) -> SourceRows:
        """The topic's ends, then the source's rows, then its log position under the rows' table lock.

        The SELECT's own lock lasts until the transaction ends and excludes TRUNCATE, so a TRUNCATE has either
        happened before the rows were read or gets a later position.
        """
        generations, ends = self._topic_now()
        columns = self.table.live_columns
        with self._at_source() as cursor:
            raw = list(rows_by_key(cursor, self._relation, [column.name for column in columns], keys))
            refuse_undeclared(cursor, self.table)
            position = log_end(cursor)
        values = [source_values(self.table, row) for row in raw]
        return SourceRows(generations, ends, position, values)

    def _topic_now(self) -> tuple[Steps, Mapping[int, int]]:
        """The topic's generations, and the end offset of each of its partitions."""
        kafka, generations = KafkaClient(self.bootstrap), self.generations
        if generations is None:
            generations = checked_generations((self.topic,), kafka, self.ops).for_topic(self.topic)
            self.ops.close()
        return generations, kafka.end_offsets([self.topic], "read_uncommitted").get(self.topic, {})

    def untrue(self, keys: pa.Table, conditions: Mapping[str, SQL]) -> pa.Table:
        """Those of the keys whose row at the source meets a condition of one of these columns."""
        each: list[Composable] = [
            SQL("({})").format(condition.format(Identifier(name))) for name, condition in conditions.items()
        ]
        columns = self.table.key_columns
        names = [column.name for column in columns]
        with self._at_source() as cursor:
            raw = list(rows_by_key(cursor, self._relation, names, keys, SQL(" OR ").join(each)))
        found = {
            column.name: convert(
                [debezium_value(row[at], column.pg_type) for row in raw], column.pg_type, POSTGRES
            )
            for at, column in enumerate(columns)
        }
        return pa.table(found)

    @property
    def _relation(self) -> Identifier:
        return Identifier(self.table.schema_name, self.table.table_name)

    @contextmanager
    def _at_source(self) -> Iterator[psycopg.Cursor[Any]]:
        """One transaction at the source."""
        with connect_postgres(
            self.source_connection,
            application_name="cdc-fill",
            statement_timeout_s=int(self.writer.deadline_s),
        ) as connection:
            try:
                # Each statement sees what is committed by then, whatever the role has set.
                connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
                cursor = connection.cursor()
                # The topic's ends were read before; what lies below them must be seen.
                wait_visible(cursor)
                yield cursor
            except psycopg.Error as error:
                raise source_failure(self.table, error) from error


def source_failure(table: TableSpec, error: psycopg.Error) -> Exception:
    """The platform's error for one of the source's while a table's rows are read."""
    said = next(iter(str(error).strip().splitlines()), type(error).__name__)
    message = f"reading {table.source} at the source: PostgreSQL said: {said}"
    if isinstance(error, psycopg.errors.UndefinedColumn | psycopg.errors.UndefinedTable):
        return SchemaChangedError(
            f"{message}; expected the table as the pipeline has it: `cdc schema status` says how it changed"
        )
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return ConfigurationError(f"{message}; run `cdc apply`, which grants it")
    return UnavailableError(message)
