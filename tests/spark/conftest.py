"""A SparkSession, and the real Kafka, sinks and ops store; each test has topics and tables of its own."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pyspark
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from pyspark.sql import SparkSession
from ruamel.yaml import YAML

from cdc.clients.clickhouse import connect_clickhouse
from cdc.clients.kafka import KafkaClient
from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.ddl import clickhouse as clickhouse_ddl
from cdc.ddl import warehouse as warehouse_ddl
from cdc.ops import OpsStore
from cdc.services.schema_memory import record_built
from cdc.settings import Settings
from cdc.spec import ClickHouseSink, Pipeline, TableSpec, WarehouseSink, load_pipeline
from cdc_spark.bounded import replay, reread, resume
from cdc_spark.job_run import JobRun
from cdc_spark.jobs import job_for
from cdc_spark.main import drive
from cdc_spark.session import open_session
from local_stack.component import Command, Component, StackContext
from local_stack.components.clickhouse import ClickHouse
from local_stack.components.control import Control
from local_stack.components.kafka import Kafka
from local_stack.components.source import Source
from local_stack.components.spark import class_archive, submit_options
from local_stack.components.warehouse import Warehouse
from local_stack.context import REPO, Places, create_context
from local_stack.java import find_java
from local_stack.ports import PortClaims
from local_stack.supervisor.process import spawn, stop_child

SAMPLE = REPO / "include" / "pipelines" / "ecommerce.yaml"
_numbers = itertools.count(1)

CUSTOMER = {
    "id": 1,
    "email": "  Ada@Example.ORG ",
    "full_name": "Ada Łovelace",
    "phone": None,
    "tier": "gold",
    "tags": ["a", None, 'say "x\\y"'],
    "preferences": '{"lang": "en"}',
    "external_id": "6f9619ff-8b86-d011-b42d-00c04fc964ff",
    "created_at": "2026-01-02T03:04:05.123456Z",
    "updated_at": "2026-01-02T03:04:06Z",
}
ORDER = {
    "id": 1,
    "order_no": "6f9619ff-8b86-d011-b42d-00c04fc964ff",
    "customer_id": 1,
    "status": "paid",
    "currency": "EUR",
    "total_amount": "100.10",
    "discount": "0.1250",
    "note": None,
    "shipping_address": '{"city": "Paris"}',
    "ordered_at": "2026-01-02T03:04:05.000001Z",
    "shipped_on": 20000,
    "updated_at": "2026-01-02T03:04:06Z",
}
ITEM = {"order_id": 1, "line_no": 1, "product_id": 7, "quantity": 3, "unit_price": "12.50", "options": None}


class Rows:
    """A row of each table, as Debezium sends it."""

    customer, order, item = CUSTOMER, ORDER, ITEM


class Servers:
    """The components that the Spark side talks to, started as the supervisor does."""

    def __init__(self, home: Path) -> None:
        places = Places(REPO, home, Places.from_environment(os.environ).jars)
        self.components: dict[str, Component] = {
            c.name: c for c in (Kafka(), Source(), Warehouse(), Control(), ClickHouse())
        }
        self.claims = PortClaims()
        self.ctx: StackContext = create_context(
            places, tuple(self.components.values()), os.environ, self.claims.claim
        )
        self._running: dict[str, tuple[Command, subprocess.Popen[bytes]]] = {}
        entries = {k: v for c in self.components.values() for k, v in c.connections(self.ctx).items()}
        self.ctx.connections_file.write_text(json.dumps(entries))
        for name in self.components:
            self.start(name)

    def start(self, name: str) -> None:
        """Start a component and wait until it answers; nothing happens when it runs."""
        if name in self._running:
            return
        component = self.components[name]
        component.prepare(self.ctx)
        command = component.command(self.ctx)
        log = self.ctx.log_file(name)
        child = spawn(command, self.ctx, log)
        self._running[name] = (command, child)
        deadline = time.monotonic() + component.ready_timeout_s
        while (reason := component.probe(self.ctx)) is not None:
            assert child.poll() is None, f"{name} died: {log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, reason
            time.sleep(0.1)
        component.after_ready(self.ctx)

    def stop(self, name: str) -> None:
        command, child = self._running.pop(name)
        stop_child(child, command, 5)
        self.components[name].after_stop(self.ctx)

    def stop_all(self) -> None:
        for name in reversed(list(self._running)):
            self.stop(name)
        self.claims.__exit__()


@dataclass
class Lab:
    """One pipeline with topics, tables and ops entries that no other test has."""

    spark: SparkSession
    servers: Servers
    pipeline: Pipeline
    connections: Connections
    ops: OpsStore
    checkpoints: Path
    producer: Producer
    lsn: Iterator[int] = field(default_factory=lambda: itertools.count(1000))

    def topic(self, source: str) -> str:
        return self.pipeline.topic(self.pipeline.table(source))

    def event(self, source: str, op: str, row: dict[str, Any], **source_fields: Any) -> bytes:
        described = {
            "version": "3.7.0.Final", "connector": "postgresql", "name": "t", "ts_ms": 1767323045123,
            "ts_us": 1767323045123456, "snapshot": None, "db": "shop", "schema": "public", "txId": 77,
            "table": source.partition(".")[2], "lsn": next(self.lsn), **source_fields,
        }  # fmt: skip
        body = {
            "before": None,
            "after": None if op in "dt" else row,
            "source": described,
            "op": op,
            "ts_ms": 1,
        }
        return json.dumps(body).encode()

    def key(self, source: str, row: dict[str, Any]) -> bytes:
        return json.dumps({name: row[name] for name in self.pipeline.table(source).key}).encode()

    def send(
        self, source: str, op: str, row: dict[str, Any], old_key: bytes | None = None, **source_fields: Any
    ) -> None:
        partition = row[self.pipeline.table(source).key[0]] % 3
        value = self.event(source, op, row, **source_fields)
        self.send_raw(source, self.key(source, row), value, partition, old_key)
        if op == "d":
            self.send_raw(source, self.key(source, row), None, partition)

    def send_raw(
        self,
        source: str,
        key: bytes | None,
        value: bytes | None,
        partition: int = 0,
        old_key: bytes | None = None,
    ) -> None:
        moved = [] if old_key is None else [("__debezium.oldkey", old_key)]
        headers: list[tuple[str, str | bytes | None]] = [("h", b"1"), *moved]
        self.producer.produce(self.topic(source), value, key, partition, headers=headers)

    def truncate(self, source: str, **source_fields: Any) -> None:
        self.send_raw(source, None, self.event(source, "t", {}, **source_fields))

    def prepared(self, stream: str, **options: Any) -> JobRun:
        assert self.producer.flush(30) == 0
        spec, names = self.pipeline.stream(stream), options.pop("sinks", None)
        sinks = tuple(sink for sink in self.pipeline.sinks if names is None or sink.name in names)
        return JobRun(
            self.spark, self.pipeline, spec, sinks, self.connections, self.ops, job_for(spec), **options
        )

    def run(self, stream: str, **options: Any) -> int:
        """The stream's driver in this process, until it has read everything."""
        return drive(self.prepared(stream, once=True, **options), str(self.checkpoints))

    def reread(self, stream: str, since: str, until: str = "latest") -> int:
        return reread(self.prepared(stream), since, until)

    def replay(self, stream: str) -> int:
        prepared = self.prepared(stream)
        return replay(prepared, prepared.stream.tables)

    def resume(self, source: str, *, accept_loss: bool = False) -> int:
        table = self.pipeline.table(source)
        return resume(self.prepared(table.stream), table, accept_loss=accept_loss)

    def forget_checkpoints(self) -> None:
        """The next run reads everything again."""
        self.checkpoints = self.checkpoints.with_name(f"{self.checkpoints.name}x")

    def clickhouse(self, query: str) -> list[dict[str, Any]]:
        sink = self.pipeline.sink("clickhouse")
        assert isinstance(sink, ClickHouseSink)
        client = connect_clickhouse(self.connections.get(sink.connection))
        named = query.replace("RAW.", f"{sink.raw_database}.").replace("VIEW.", f"{sink.view_database}.")
        return list(client.query(named).named_results())

    def warehouse(self, query: str) -> list[dict[str, Any]]:
        sink = self.pipeline.sink("warehouse")
        assert isinstance(sink, WarehouseSink)
        named = query.replace("RAW.", f"{sink.raw_schema}.").replace("VIEW.", f"{sink.view_schema}.")
        with connect_postgres(self.connections.get(sink.connection), autocommit=True) as connection:
            cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
            return cursor.execute(named).fetchall()

    def environment(self, folder: Path) -> dict[str, str]:
        """What a person's shell has, whose pipelines are this one alone."""
        document = self.pipeline.model_dump(mode="json", by_alias=True, exclude={"environment"})
        with (folder / f"{self.pipeline.name}.yaml").open("w") as handle:
            YAML(typ="safe").dump(document, handle)
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return {
            **inherited,
            "CDC_PIPELINES_DIR": str(folder),
            "CDC_CONNECTIONS_FILE": str(self.servers.ctx.connections_file),
            "CDC_JARS": str(self.servers.ctx.jars),
            "CHECKPOINT_ROOT": str(self.checkpoints),
            "SPARK_HOME": str(Path(pyspark.__file__).parent),
            "PYSPARK_PYTHON": sys.executable,
        }

    def alter_clickhouse(self, statement: str) -> None:
        sink = self.pipeline.sink("clickhouse")
        assert isinstance(sink, ClickHouseSink)
        client = connect_clickhouse(self.connections.get(sink.connection))
        client.command(statement.replace("RAW.", f"{sink.raw_database}."))

    def alter_warehouse(self, statement: str) -> None:
        sink = self.pipeline.sink("warehouse")
        assert isinstance(sink, WarehouseSink)
        with connect_postgres(self.connections.get(sink.connection), autocommit=True) as connection:
            connection.execute(statement.replace("RAW.", f"{sink.raw_schema}."))

    def delete_records(self, source: str, partition: int, before: int) -> None:
        """What retention does."""
        admin = AdminClient({"bootstrap.servers": self.connections.get("cdc_kafka").bootstrap_servers()})
        for done in admin.delete_records([TopicPartition(self.topic(source), partition, before)]).values():
            done.result(30)

    def source(self, statement: str, values: tuple[Any, ...] = ()) -> None:
        """Run a statement as the owner of the source's tables."""
        with connect_postgres(self.connections.get("cdc_source_admin"), autocommit=True) as connection:
            connection.execute(statement, values)

    def both(self, query: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        return self.clickhouse(query), self.warehouse(query)

    def apply(self, *, sinks: tuple[str, ...] = ("clickhouse", "warehouse")) -> None:
        kafka = KafkaClient(self.connections.get("cdc_kafka").bootstrap_servers())
        for table in self.pipeline.tables:
            kafka.create_topic(self.pipeline.topic(table), 3, 3_600_000)
            identity = kafka.topic_identity(self.pipeline.topic(table))
            assert identity is not None
            self.ops.record_topic(identity.topic, identity.topic_id, identity.partitions)
            for name in sinks:
                self.make(name, table)

    def remember_source(self) -> None:
        """What `cdc apply` does in its end: the sinks were built from the source's tables as they are."""
        record_built(self.pipeline, self.connections, self.ops)

    def make(self, name: str, table: TableSpec) -> None:
        sink = self.pipeline.sink(name)
        connection = self.connections.get(sink.connection)
        if isinstance(sink, ClickHouseSink):
            client = connect_clickhouse(connection)
            for statement in clickhouse_ddl.statements(self.pipeline, sink, table):
                client.command(statement)
        else:
            with connect_postgres(connection) as session:
                for composed in warehouse_ddl.statements(self.pipeline, sink, table):
                    session.execute(composed)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    running = Servers(tmp_path_factory.mktemp("servers"))
    yield running
    running.stop_all()


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    jars = Places.from_environment(os.environ).jars
    archive = class_archive(jars, find_java(os.environ))
    os.environ.setdefault("SPARK_SUBMIT_OPTS", submit_options(archive))
    session = open_session("cdc-tests", Settings(cdc_jars=jars))
    yield session
    session.stop()


@pytest.fixture
def lab(spark: SparkSession, servers: Servers, tmp_path: Path) -> Iterator[Lab]:
    number = next(_numbers)
    sample = load_pipeline(SAMPLE)
    sinks = tuple(
        sink.model_copy(update={"raw_database": f"raw{number}", "view_database": f"view{number}"})
        if isinstance(sink, ClickHouseSink)
        else sink.model_copy(update={"raw_schema": f"raw{number}", "view_schema": f"view{number}"})
        for sink in sample.sinks
    )
    source = sample.source.model_copy(update={"topic_prefix": f"lab{number}"})
    pipeline = sample.model_copy(update={"name": f"shop{number}", "sinks": sinks, "source": source})
    # A copy keeps what the sample had worked out already; a pipeline from its fields has worked out nothing.
    pipeline = Pipeline.model_validate(pipeline.model_dump(by_alias=True))
    connections = Connections.from_file(servers.ctx.connections_file)
    ops = OpsStore(connections.get("cdc_ops"))
    ops.ensure_schema()
    bootstrap = connections.get("cdc_kafka").bootstrap_servers()
    made = Lab(
        spark,
        servers,
        pipeline,
        connections,
        ops,
        tmp_path / "checkpoints",
        Producer({"bootstrap.servers": bootstrap, "log_level": 0}),
    )
    made.apply()
    yield made
    ops.close()


@pytest.fixture(scope="session")
def rows() -> type[Rows]:
    return Rows
