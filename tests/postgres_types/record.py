"""Sends every case through the real Debezium and keeps what it wrote for the tests.

Each value is seen three times: in the snapshot (id n), as an insert (id n + 1000) and as an update of that. A
line of the recording is one event, with the value's text as it is read at the source. The tables' entries are
those of the source's catalogue. `xml` is recorded from Debian's PostgreSQL, which has to be installed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Consumer

from cdc.clients.connect import ConnectClient
from cdc.connections import Connections
from cdc.services.capturable import entry
from cdc.services.catalogue import read_tables
from cdc.services.connector import connector_config
from cdc.spec import load_pipeline
from cdc.types.text import SESSION_SETTINGS
from local_stack.components.connect import Connect
from local_stack.components.kafka import Kafka
from local_stack.components.source import Source
from local_stack.context import REPO
from tests.postgres_types.cases import CASES, DEEP, USER_TYPES, XML, Case, setup_sql
from tests.postgres_types.recording import TABLES
from tests.stack.cdc.conftest import running
from tests.stack.types.debian import debian_postgres

RECORDING = Path(__file__).with_name("debezium_events.jsonl")
GENERATED = Case("t_generated", "integer", ())
_GENERATED_SQL = """
    CREATE TABLE kinds.t_generated (id integer PRIMARY KEY, a integer,
        v integer GENERATED ALWAYS AS (a + 1) STORED, w integer GENERATED ALWAYS AS (a + 2) VIRTUAL);
    INSERT INTO kinds.t_generated (id, a) VALUES (1, 5);
"""


def main() -> int:
    """Record everything; a connector that stops ends it with its reason."""
    every = (*CASES, GENERATED, *DEEP)
    with running(Source(), Kafka(), Connect()) as stack:
        admin = stack.ctx.ports["source"], stack.ctx.secrets["source_superuser"]
        dsn = f"host=127.0.0.1 port={admin[0]} user=postgres password={admin[1]} dbname=shop"
        with psycopg.connect(dsn, autocommit=True) as source:
            source.execute(USER_TYPES)
            source.execute(setup_sql().encode())
            source.execute(_GENERATED_SQL)
            _publish(source, "debezium")
            lines, tables = _record_all(stack, source, stack.connections, every)
        with debian_postgres() as server:
            database = server.create_database("source").model_copy(update={"id": "cdc_source"})
            with psycopg.connect(database.dsn(), autocommit=True) as source:
                source.execute("CREATE SCHEMA kinds")
                source.execute(setup_sql(XML).encode())
                _publish(source, "postgres")
                known = Connections([database, stack.connections.get("cdc_kafka"),
                                     stack.connections.get("cdc_connect")])  # fmt: skip
                of_xml = _record_all(stack, source, known, XML)
    RECORDING.write_text("".join(json.dumps(e, ensure_ascii=False) + "\n" for e in lines + of_xml[0]))
    entries = {**tables, **of_xml[1]}
    found = ",\n".join(f" {json.dumps(name)}: {json.dumps(entries[name])}" for name in sorted(entries))
    TABLES.write_text(f"{{\n{found}\n}}\n")
    return 0


def _publish(source: Any, role: str) -> None:
    source.execute("CREATE PUBLICATION kinds FOR TABLES IN SCHEMA kinds")
    source.execute(f"GRANT USAGE ON SCHEMA kinds TO {role}")
    source.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA kinds TO {role}")


def _record_all(
    stack: Any, source: Any, connections: Connections, every: tuple[Case, ...]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The events of all cases, and their tables' entries."""
    lines: list[dict[str, Any]] = []
    # A value that Debezium cannot read stops its connector: it must not hide many others.
    for start in range(0, len(every), 30):
        part = every[start : start + 30]
        lines += _record(stack, source, connections, f"{part[0].name}_{start}", part)
    return lines, {table.name: entry(table) for table in read_tables(source, ["kinds"])}


def _record(
    stack: Any, source: Any, connections: Connections, name: str, cases: tuple[Case, ...]
) -> list[dict[str, Any]]:
    # As Debezium does by default: an array that it cannot convert is NULL in the recording.
    connect = ConnectClient(connections.get("cdc_connect").url())
    config = connector_config(load_pipeline(REPO / "include/pipelines/ecommerce.yaml"), connections) | {
        "name": name, "slot.name": f"s_{name}", "topic.prefix": name, "publication.name": "kinds",
        "table.include.list": ",".join(f"kinds\\.{case.name}" for case in cases),
        "heartbeat.interval.ms": "0", "event.converting.failure.handling.mode": "warn",
        "topic.creation.default.partitions": "1",
    }  # fmt: skip
    config.pop("heartbeat.action.query")
    connect.put(name, config)
    connect.wait_running(name, 120)
    expected = sum(len(case.values) + 1 for case in cases)
    events = _read(stack, name, cases, expected, connect)
    for case in cases:
        columns = "id + 1000, a" if case is GENERATED else "id + 1000, v"
        table = f'kinds."{case.name}"'
        target = f"{table} (id, a)" if case is GENERATED else table
        source.execute(f"INSERT INTO {target} SELECT {columns} FROM {table}")
        assigned = "a = a" if case is GENERATED else "v = v"
        source.execute(f"UPDATE {table} SET {assigned} WHERE id >= 1000")
    events = _read(stack, name, cases, 3 * expected, connect)
    if len(events) != 3 * expected:
        raise RuntimeError(f"{len(events)} events of {3 * expected}: {connect.status(name)}")
    connect.delete(name)
    for setting, value in SESSION_SETTINGS.items():
        source.execute("SELECT set_config(%s, %s, false)", (setting, value))
    texts = {
        (case.name, row[0]): row[1]
        for case in cases
        for row in source.execute(f'SELECT id, v::text FROM kinds."{case.name}"').fetchall()
    }
    for event in events:
        event["text"] = texts.get((event["case"], event["id"]))
    return events


def _read(
    stack: Any, name: str, cases: tuple[Case, ...], expected: int, connect: Any
) -> list[dict[str, Any]]:
    bootstrap = stack.connections.get("cdc_kafka").bootstrap_servers()
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"{name}{time.time()}",
                         "auto.offset.reset": "earliest", "isolation.level": "read_committed",
                         "topic.metadata.refresh.interval.ms": 1000})  # fmt: skip
    consumer.subscribe([f"^{name}\\.kinds\\..*"])
    events: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    while len(events) < expected and time.monotonic() < deadline:
        for message in consumer.consume(500, timeout=1):
            raw_key, raw_value, topic = message.key(), message.value(), message.topic()
            if message.error() or raw_key is None or raw_value is None or topic is None:
                continue
            key, value = raw_key.decode(), raw_value.decode()
            case = topic.rpartition(".")[2]
            events.append({"case": case, "op": json.loads(value)["op"], "id": json.loads(key)["id"],
                           "key": key, "value": value})  # fmt: skip
            deadline = time.monotonic() + 25
    consumer.close()
    order = {case.name: number for number, case in enumerate(cases)}
    return sorted(events, key=lambda e: (order[e["case"]], e["id"], e["op"]))


if __name__ == "__main__":
    sys.exit(main())
