"""The comparison on real servers: PostgreSQL as source and warehouse, ClickHouse over HTTP."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cdc.clients.clickhouse import connect_clickhouse
from cdc.connections import Connections
from cdc.ddl import clickhouse as clickhouse_ddl
from cdc.ddl import warehouse as warehouse_ddl
from cdc.ddl.columns import sink_columns
from cdc.errors import ConfigurationError, DataError, UnavailableError
from cdc.services.compare import clickhouse_rows, compare, compare_table
from cdc.spec import Pipeline, load_pipeline
from local_stack.component import Component, StackContext
from local_stack.components.clickhouse import ClickHouse
from local_stack.components.source import Source
from local_stack.components.warehouse import Warehouse
from local_stack.generator import run_bounded

REPO = Path(__file__).resolve().parents[3]

LITTLE_MEMORY = "SETTINGS max_memory_usage = 1000000"


@dataclass
class Servers:
    """Running components, and what a test changes in them."""

    ctx: StackContext
    connections: Connections
    pipeline: Pipeline

    def warehouse(self, statement: Any, params: tuple[Any, ...] = ()) -> None:
        with psycopg.connect(self.connections.get("cdc_warehouse").dsn()) as connection:
            connection.execute(statement, params)

    def clickhouse(self, statement: str) -> None:
        client = connect_clickhouse(self.connections.get("cdc_clickhouse"))
        client.command(statement)
        client.close()


def _start(component: Component, ctx: StackContext) -> subprocess.Popen[bytes]:
    component.prepare(ctx)
    command = component.command(ctx)
    with ctx.log_file(component.name).open("ab") as log:
        process = subprocess.Popen(
            command.argv, cwd=command.cwd, env={**os.environ, **command.env}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + 60
    while (problem := component.probe(ctx)) is not None:
        assert time.monotonic() < deadline, problem
        time.sleep(0.1)
    component.after_ready(ctx)
    return process


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    home = tmp_path_factory.mktemp("compare")
    components: tuple[Component, ...] = (Source(), Warehouse(), ClickHouse())
    ctx = StackContext(
        repo=REPO,
        home=home,
        jars=home,
        java_home=home,
        python=Path(sys.executable),
        ports={spec.name: _free_port() for component in components for spec in component.ports},
        secrets={name: f"pw-{name}" for component in components for name in component.secrets},
    )
    entries = {k: v for component in components for k, v in component.connections(ctx).items()}
    processes = [_start(component, ctx) for component in components]
    pipeline = load_pipeline(REPO / "include" / "pipelines" / "ecommerce.yaml")
    running = Servers(ctx, Connections.from_mapping(entries), pipeline)
    run_bounded(running.connections.get("cdc_source_admin").dsn(), 3_000, seed=11)
    _fill(running)
    yield running
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _fill(servers: Servers) -> None:
    """Copy the source's rows into both sinks, as the streams would."""
    source = psycopg.connect(servers.connections.get("cdc_source_admin").dsn())
    warehouse = psycopg.connect(servers.connections.get("cdc_warehouse").dsn())
    client = connect_clickhouse(servers.connections.get("cdc_clickhouse"))
    for table in servers.pipeline.tables:
        for sink in servers.pipeline.sinks:
            if sink.type == "clickhouse":
                for statement in clickhouse_ddl.statements(servers.pipeline, sink, table):
                    client.command(statement)
            else:
                for composed in warehouse_ddl.statements(servers.pipeline, sink, table):
                    warehouse.execute(composed)
        names = [column.name for column in table.columns]
        quoted = ", ".join(f'"{name}"' for name in names)
        texts = ", ".join(f'"{name}"::text' for name in names)
        rows = source.execute(f"SELECT {texts} FROM {table.source}").fetchall()
        casts = ", ".join(
            f"%s::{'text' if column.pg_type.base == 'enum' else column.type}" for column in table.columns
        )
        warehouse.cursor().executemany(
            f"INSERT INTO cdc_raw.{table.name} ({quoted}, processed_at, _version, _op, _is_deleted, _lsn, "
            "_source_ts, _partition, _offset, _generation) "
            f"VALUES ({casts}, now(), 2, 'c', false, 1, now(), 0, 0, 0)",
            rows,
        )
        _insert_clickhouse(client, source, table, names)
    warehouse.commit()
    for session in (source, warehouse):
        session.close()
    client.close()


def _insert_clickhouse(client: Any, source: psycopg.Connection[Any], table: Any, names: list[str]) -> None:
    rows = source.execute(
        "SELECT {} FROM {}".format(", ".join(f'"{n}"' for n in names), table.source)
    ).fetchall()
    columns = [column for column in sink_columns(table) if column.clickhouse and column.name in names]
    flags = [column for column in sink_columns(table) if column.kind == "null_flag"]
    jsonb = {c.name for c in table.columns if c.pg_type.base == "jsonb"}
    texts = source.execute(
        "SELECT {} FROM {}".format(", ".join(f'"{n}"::text' for n in names), table.source)
    ).fetchall()
    position = {name: index for index, name in enumerate(names)}

    def value(row: tuple[Any, ...], text: tuple[Any, ...], name: str, is_array: bool) -> Any:
        raw = text[position[name]] if name in jsonb else row[position[name]]
        return [] if is_array and raw is None else raw

    data = [
        [
            *(value(r, t, c.name, bool(c.pg_type and c.pg_type.dimensions)) for c in columns),
            *(int(r[position[f.of]] is None) for f in flags),
            2, "c", 1,
        ]
        for r, t in zip(rows, texts, strict=True)
    ]  # fmt: skip
    client.insert(
        table.name,
        data,
        column_names=[*(c.name for c in columns), *(f.name for f in flags), "_version", "_op", "_lsn"],
        database="cdc_raw",
    )


def test_copies_of_every_row_are_equal_and_counted(servers):
    report = compare(servers.pipeline, servers.connections)
    differences = [d.sentence() for table in report.tables for d in table.examples]
    assert report.equal, differences
    for table in report.tables:
        assert table.rows["source"] > 100
        assert set(table.rows.values()) == {table.rows["source"]}


def test_each_spoiled_row_is_found_and_named(servers):
    products = servers.pipeline.table("products")
    servers.warehouse("UPDATE cdc_raw.products SET labels = '{}' WHERE labels IS NULL")
    servers.warehouse("UPDATE cdc_raw.products SET price = price + 0.01 WHERE id = 5")
    servers.clickhouse("ALTER TABLE cdc_raw.products DELETE WHERE id = 7 SETTINGS mutations_sync = 1")
    servers.clickhouse(
        "INSERT INTO cdc_raw.products SELECT * REPLACE (999999 AS id) "
        "FROM (SELECT * FROM cdc_raw.products WHERE id = 8)"
    )
    report = compare_table(servers.pipeline, servers.connections, products, limit=1_000)
    named = {(d.kind, d.sink, d.key, d.column) for d in report.examples}
    assert ("missing", "clickhouse", (7,), None) in named
    assert ("extra", "clickhouse", (999999,), None) in named
    assert ("differing", "warehouse", (5,), "price") in named
    assert report.counts["clickhouse"] == {"missing": 1, "extra": 1}
    with psycopg.connect(servers.connections.get("cdc_source_admin").dsn()) as connection:
        row = connection.execute("SELECT count(*) FROM products WHERE labels IS NULL").fetchone()
    assert row is not None
    assert row[0] > 0
    assert report.counts["warehouse"] == {"differing": row[0] + 1}


def test_a_view_that_is_not_there_says_what_makes_it(servers):
    servers.warehouse("DROP VIEW order_items")
    with pytest.raises(ConfigurationError, match="cdc apply"):
        compare_table(servers.pipeline, servers.connections, servers.pipeline.table("order_items"))


@pytest.mark.parametrize(
    ("query", "raised", "said"),
    [
        ("SELECT * FROM nosuch", ConfigurationError, "cdc_clickhouse.*nosuch.*`cdc apply` makes"),
        ("SELECT nosuch FROM analytics.products", ConfigurationError, "nosuch.*`cdc apply` makes"),
        ("SELECT toDecimal256(materialize('1e60'), 30)", DataError, "cdc_clickhouse.*too big"),
        (f"SELECT groupArray(number) FROM numbers(10000000) {LITTLE_MEMORY}", UnavailableError, "exceeded"),
    ],
)
def test_what_clickhouse_cannot_answer_is_told(servers, query, raised, said):
    with contextlib.ExitStack() as stack, pytest.raises(raised, match=said):
        list(clickhouse_rows(stack, servers.connections.get("cdc_clickhouse"), query))


def test_a_side_that_is_away_is_unavailable(servers):
    entries = servers.connections.to_document()
    entries["cdc_warehouse"] = {**entries["cdc_warehouse"], "port": _free_port()}
    with pytest.raises(UnavailableError, match="cdc_warehouse"):
        compare(servers.pipeline, Connections.from_mapping(entries))
