"""ClickHouse: one insert for each table and Spark partition, streaming and batch alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.external import ExternalData

from cdc.clients.clickhouse import connect_clickhouse
from cdc.connections import Connection
from cdc.ddl.clickhouse import FLOORS, raw_name
from cdc.ddl.columns import SinkColumn, quote_ch, sink_columns
from cdc.errors import RefusedError
from cdc.model.floors import Floor
from cdc.spec import ClickHouseSink, TableSpec
from cdc_spark.kept import Kept
from cdc_spark.transformations.lookups import StoredRows
from cdc_spark.writers.base import SinkBatch, TableWriter
from cdc_spark.writers.columns import for_clickhouse
from cdc_spark.writers.failures import clickhouse_failures
from cdc_spark.writers.refused import Refused, write_pieces
from cdc_spark.writers.stored import ARROW_SETTINGS, WANTED, from_clickhouse, newest_rows

_CLIENTS: Kept[Client] = Kept()
"""By the connection's name."""


@dataclass(frozen=True)
class ClickHouseWriter(TableWriter):
    """Inserts rows as one Arrow stream into the physical table.

    How it works: every version of a row is inserted; ReplacingMergeTree and the views keep the newest. The
    insert is synchronous (`async_insert=0`), so that what is acknowledged is stored.

    What it does not do: deduplicate. The same rows again are the same versions, of which the last insert
    wins.
    """

    connection: Connection
    sink: ClickHouseSink
    table: TableSpec
    deadline_s: float = field(default=20.0)

    def write(self, batch: SinkBatch) -> None:
        """Insert floors first, so that no reader sees rows that a truncate removed beside newer ones."""
        with self._forgetting_a_broken_client():
            self._insert_floors(batch.floors)
            if batch.rows.num_rows:
                self._insert_rows(batch.rows)

    def write_in_pieces(self, batch: SinkBatch, limit: int) -> Refused:
        """Insert what ClickHouse takes; a refused insert may leave rows, which the next one repeats."""
        with self._forgetting_a_broken_client():
            self._insert_floors(batch.floors)
            return write_pieces(batch.rows, self._insert_rows, limit)

    @contextmanager
    def _forgetting_a_broken_client(self) -> Iterator[None]:
        try:
            yield
        except RefusedError:
            raise
        except Exception:
            _CLIENTS.pop(self.connection.id)
            raise

    def newest(self, keys: pa.Table) -> StoredRows:
        """Every version is there until it is merged, so the newest one is chosen here."""
        columns = sink_columns(self.table)
        try:
            with clickhouse_failures(f"reading {raw_name(self.sink, self.table)}"):
                client = self._client()
                read = client.query_arrow(
                    newest_rows(self.sink, self.table),
                    settings=ARROW_SETTINGS,
                    use_strings=False,  # a String can hold bytes that are no UTF-8: bytea
                    external_data=self._wanted(keys),
                )
                floors = f"{quote_ch(self.sink.raw_database)}.{quote_ch(FLOORS)}"
                floor = client.query(
                    f"SELECT max((generation, lsn)) FROM {floors} WHERE table_name = {{name:String}}",  # noqa: S608
                    {"name": self.table.name},
                ).result_rows[0][0]
        except Exception:
            _CLIENTS.pop(self.connection.id)
            raise
        return StoredRows(from_clickhouse(read, columns), Floor(*floor))

    def _wanted(self, keys: pa.Table) -> ExternalData:
        columns = tuple(
            next(c for c in sink_columns(self.table) if c.name == name) for name in self.table.key
        )
        return ExternalData(
            file_name=WANTED,
            data=_arrow_stream(for_clickhouse(keys, columns).rename_columns(_numbered(columns))),
            fmt="ArrowStream",
            structure=[f"{name} {c.clickhouse}" for name, c in zip(_numbered(columns), columns, strict=True)],
        )

    def _insert_rows(self, rows: pa.Table) -> None:
        data = for_clickhouse(rows, sink_columns(self.table))
        names = ", ".join(map(quote_ch, data.column_names))
        self._insert(f"{raw_name(self.sink, self.table)} ({names})", data)

    def _insert_floors(self, floors: frozenset[Floor]) -> None:
        if not floors:
            return
        ordered = sorted(floors)
        data = pa.table(
            {
                "table_name": pa.array([self.table.name] * len(ordered), pa.string()),
                "generation": pa.array([generation for generation, _ in ordered], pa.uint16()),
                "lsn": pa.array([lsn for _, lsn in ordered], pa.uint64()),
            }
        )
        self._insert(
            f"{quote_ch(self.sink.raw_database)}.{quote_ch(FLOORS)} (table_name, generation, lsn)", data
        )

    def _insert(self, into: str, data: pa.Table) -> None:
        settings: dict[str, Any] = {
            "async_insert": 0,
            "max_execution_time": int(self.deadline_s),
            # A tombstone has no value for NOT NULL columns: they take the type's default.
            "input_format_null_as_default": 1,
        }
        with clickhouse_failures(f"inserting into {into.split(' (', 1)[0]}"):
            self._client().raw_insert(into, None, _arrow_stream(data), settings, "ArrowStream")

    def _client(self) -> Client:
        client = _CLIENTS.get(self.connection.id)
        if client is None:
            client = connect_clickhouse(self.connection, send_receive_timeout_s=int(self.deadline_s))
            _CLIENTS.put(self.connection.id, client)
        return client


def _arrow_stream(data: pa.Table) -> bytes:
    buffer = pa.BufferOutputStream()
    with pa.ipc.new_stream(buffer, data.schema) as stream:
        stream.write_table(data)
    written: bytes = buffer.getvalue().to_pybytes()
    return written


def _numbered(columns: tuple[SinkColumn, ...]) -> list[str]:
    return [f"k{number}" for number, _ in enumerate(columns)]
