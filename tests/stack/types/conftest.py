"""The recorded types at a real source, and both sinks filled by the real writers; no JVM."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import psycopg
import pytest

from cdc.clients.clickhouse import connect_clickhouse
from cdc.connections import Connections
from cdc.ddl import clickhouse as clickhouse_ddl
from cdc.ddl import warehouse as warehouse_ddl
from cdc.model.columns import Steps
from cdc.ops import OpsStore
from cdc.spec import ClickHouseSink, Pipeline, TableSpec, WarehouseSink, load_pipeline
from cdc_spark.readers.lookups import TableLookups
from cdc_spark.transformations.limits import CLICKHOUSE, POSTGRES
from cdc_spark.transformations.lookups import Lookups
from cdc_spark.writers.base import SinkBatch, TableWriter
from cdc_spark.writers.clickhouse import ClickHouseWriter
from cdc_spark.writers.warehouse import WarehouseWriter
from local_stack.components.clickhouse import ClickHouse
from tests.postgres_types.cases import CASES, DEEP, USER_TYPES, setup_sql
from tests.postgres_types.recording import Recorded, rows_of
from tests.stack.cdc.conftest import SAMPLE, Postgres, running


@dataclass
class Lab:
    """A source, two sinks, and a pipeline whose tables a test chooses."""

    connections: Connections
    sample: Pipeline

    def pipeline(self, tables: Sequence[TableSpec]) -> Pipeline:
        data = {
            **self.sample.model_dump(by_alias=True),
            "tables": [t.model_dump(by_alias=True) for t in tables],
        }
        return Pipeline.model_validate(data)

    def source(self) -> psycopg.Connection:
        return psycopg.connect(self.connections.get("cdc_source_admin").dsn(), autocommit=True)

    def warehouse(self) -> psycopg.Connection:
        return psycopg.connect(self.connections.get("cdc_warehouse").dsn(), autocommit=True)

    def make(self, pipeline: Pipeline, table: TableSpec) -> None:
        """The table and its view in both sinks."""
        with self.warehouse() as session:
            client = connect_clickhouse(self.connections.get("cdc_clickhouse"))
            for sink in pipeline.sinks:
                if isinstance(sink, ClickHouseSink):
                    for statement in clickhouse_ddl.statements(pipeline, sink, table):
                        client.command(statement)
                else:
                    for composed in warehouse_ddl.statements(pipeline, sink, table):
                        session.execute(composed)
            client.close()

    def write(
        self, pipeline: Pipeline, table: TableSpec, events: tuple[Recorded, ...]
    ) -> dict[str, dict[int, str]]:
        """Parse and write events as a stream does; returns by sink why which row was set aside."""
        aside = {}
        for sink in pipeline.sinks:
            connection = self.connections.get(sink.connection)
            writer: TableWriter
            if isinstance(sink, ClickHouseSink):
                limits, writer = CLICKHOUSE, ClickHouseWriter(connection, sink, table)
            else:
                assert isinstance(sink, WarehouseSink)
                limits, writer = POSTGRES, WarehouseWriter(connection, sink, table, "q")
            rows, bad = rows_of(table, events, limits, self._lookups(table, writer, len(events)))
            writer.write(SinkBatch("kinds", rows))
            aside[sink.name] = {events[position].id: why for position, why in bad.items()}
        return aside

    def _lookups(self, table: TableSpec, writer: TableWriter, events: int) -> Lookups:
        # The ops store is asked for generations and dead letters, and nothing here needs them.
        source = self.connections.get("cdc_source_admin")
        return SourceLookups(
            "p", "s", table, "kinds", writer, source, "", cast("OpsStore", None), events=events
        )


@dataclass(frozen=True)
class SourceLookups(TableLookups):
    """The real answers of the source, for a topic that holds these events and nothing else."""

    events: int = 0

    def dead_letters(self, keys: Collection[bytes]) -> frozenset[bytes]:
        return frozenset()

    def _topic_now(self) -> tuple[Steps, Mapping[int, int]]:
        return {0: [(0, 0)]}, {0: self.events}


# The writers keep their connections by id, so there is one lab for all tests of a process.
@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    folder = Path(tempfile.mkdtemp(prefix="types-postgres-", dir="/tmp"))
    server = Postgres(folder)
    try:
        with running(ClickHouse()) as stack:
            source = server.create_database("source").model_copy(update={"id": "cdc_source_admin"})
            warehouse = server.create_database("warehouse").model_copy(update={"id": "cdc_warehouse"})
            yield Lab(
                Connections([source, warehouse, stack.connections.get("cdc_clickhouse")]),
                load_pipeline(SAMPLE),
            )
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def filled(lab: Lab) -> Lab:
    """The source has every table of the recording."""
    with lab.source() as source:
        source.execute(USER_TYPES)
        source.execute(setup_sql().encode())
        for case in (*CASES, *DEEP):
            source.execute(
                f'INSERT INTO kinds."{case.name}" SELECT id + 1000, v FROM kinds."{case.name}"'.encode()
            )
    return lab
