"""Upkeep changes nothing that readers see, and lets no deleted row come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Producer

from cdc.clients.clickhouse import connect_clickhouse
from cdc.clients.kafka import KafkaClient
from cdc.clients.postgres import connect_postgres
from cdc.ddl import clickhouse, warehouse
from cdc.errors import UnavailableError
from cdc.model.bounded_run import RunKind
from cdc.model.verdict import Level, Verdict
from cdc.model.version import pack
from cdc.ops import DeadLetter, OpsStore
from cdc.services.upkeep import keep_up, record_retention
from cdc.services.upkeep_report import TableUpkeep
from cdc.spec import ClickHouseSink, Pipeline, TableSpec, WarehouseSink
from local_stack.components.clickhouse import ClickHouse
from local_stack.components.control import Control
from local_stack.components.kafka import Kafka
from local_stack.components.warehouse import Warehouse
from tests.stack.cdc.conftest import RunningStack, running

HOUR = "2026-01-01 00:00:00"
RUN = "test_upkeep"


@dataclass(frozen=True)
class Sinks:
    """Both sinks of one small table, and the topic of its events."""

    stack: RunningStack
    pipeline: Pipeline
    table: TableSpec
    clickhouse: Client
    warehouse: psycopg.Connection[Any]
    ops: OpsStore

    @property
    def topic(self) -> str:
        return self.pipeline.topic(self.table)

    def event(self, offset: int, key: int, *, deleted: bool = False, lsn: int = 100) -> None:
        """The row of one event in both sinks, each in an insert (and so a part) of its own."""
        row: dict[str, Any] = {
            "order_id": key, "line_no": 1, "product_id": 1, "quantity": offset, "unit_price": "1.00",
            "processed_at": HOUR, "_version": pack(1, offset), "_op": "d" if deleted else "u",
            "_is_deleted": deleted, "_lsn": lsn, "_source_ts": HOUR, "_partition": 0, "_offset": offset,
            "_generation": 1,
        }  # fmt: skip
        names = ", ".join(row)
        values = ", ".join(f"'{v}'" if isinstance(v, str) else str(int(v)) for v in row.values())
        self.clickhouse.command(f"INSERT INTO cdc_raw.order_items ({names}) VALUES ({values})")
        holders = ", ".join(f"%({name})s" for name in row)
        sets = ", ".join(f"{name} = excluded.{name}" for name in row)
        self.warehouse.execute(
            f"INSERT INTO cdc_raw.order_items AS stored ({names}) VALUES ({holders}) "
            f"ON CONFLICT (order_id, line_no) DO UPDATE SET {sets} "
            "WHERE excluded._version >= stored._version",
            row,
        )

    def readers(self) -> tuple[list[Any], list[Any]]:
        """What both sinks show, by key and quantity."""
        query = "SELECT order_id, quantity FROM {}.order_items ORDER BY 1"
        shown = self.clickhouse.query(query.format("analytics")).result_rows
        return [tuple(row) for row in shown], self.warehouse.execute(query.format("public")).fetchall()

    def stored(self) -> tuple[set[int], set[int]]:
        """The keys that the physical tables hold, tombstones included."""
        query = "SELECT DISTINCT order_id FROM cdc_raw.order_items"
        found = self.clickhouse.query(query).result_rows
        return {row[0] for row in found}, {row[0] for row in self.warehouse.execute(query).fetchall()}

    def log_begins_at(self, offset: int) -> None:
        """Move the beginning of partition 0."""
        producer = Producer(
            {"bootstrap.servers": self.stack.connections.get("cdc_kafka").bootstrap_servers()}
        )
        for _ in range(offset):
            producer.produce(self.topic, b"x", partition=0)
        producer.flush(30)
        KafkaClient(self.stack.connections.get("cdc_kafka").bootstrap_servers()).delete_records([self.topic])

    def keep_up(self, age: int | None = 0) -> dict[str, str]:
        """Run upkeep; what was done and left in each sink, as one text."""
        self.clickhouse.command("SYSTEM START MERGES cdc_raw.order_items")
        report = keep_up(
            self.pipeline,
            self.stack.connections,
            run=RUN,
            tables=[self.table.name],
            horizon_age_minutes=age,
        )
        return {step.sink: "; ".join((*step.done, *step.left)) for step in report.tables}


@pytest.fixture(scope="module")
def services() -> Iterator[RunningStack]:
    with running(Warehouse(), Control(), ClickHouse(), Kafka()) as started:
        yield started


@pytest.fixture
def sinks(services: RunningStack, pipeline: Pipeline) -> Iterator[Sinks]:
    """The table with nothing in it, and a new topic."""
    connections, table = services.connections, pipeline.table("order_items")
    one, two = pipeline.sink("clickhouse"), pipeline.sink("warehouse")
    assert isinstance(one, ClickHouseSink)
    assert isinstance(two, WarehouseSink)
    kafka = KafkaClient(connections.get("cdc_kafka").bootstrap_servers())
    kafka.delete_topics([pipeline.topic(table)])
    client = connect_clickhouse(connections.get("cdc_clickhouse"))
    with (
        connect_postgres(connections.get("cdc_warehouse"), autocommit=True) as postgres,
        OpsStore(connections.get("cdc_ops")) as ops,
    ):
        ops.ensure_schema()
        ops.rows(
            "TRUNCATE cdc_ops.topics, cdc_ops.generations, cdc_ops.horizons, cdc_ops.dead_letters, "
            "cdc_ops.bounded_runs, cdc_ops.maintenance"
        )
        for statement in clickhouse.statements(pipeline, one, table):
            client.command(statement)
        client.command("TRUNCATE TABLE cdc_raw.order_items")
        # The engine's own merges come when they like; here OPTIMIZE makes them.
        client.command("SYSTEM STOP MERGES cdc_raw.order_items")
        client.command("TRUNCATE TABLE cdc_raw._truncate_floors")
        for composed in warehouse.statements(pipeline, two, table):
            postgres.execute(composed)
        postgres.execute("TRUNCATE cdc_raw.order_items, cdc_raw._truncate_floors")
        kafka.create_topic(pipeline.topic(table), 1, 3_600_000)
        identity = kafka.topic_identity(pipeline.topic(table))
        assert identity is not None
        ops.record_topic(identity.topic, identity.topic_id, identity.partitions)
        yield Sinks(services, pipeline, table, client, postgres, ops)
    client.close()


def test_old_versions_are_merged_and_readers_see_the_same(sinks: Sinks) -> None:
    sinks.event(0, key=1)
    sinks.event(1, key=1)  # more parts than two are merged by the engine itself, before anybody asks
    before = sinks.readers()
    said = sinks.keep_up()
    assert "merged 2 parts" in said["clickhouse"]
    assert sinks.clickhouse.query("SELECT count() FROM cdc_raw.order_items").result_rows == [(1,)]
    assert sinks.readers() == before == ([(1, 1)], [(1, 1)])
    assert "vacuumed" in said["warehouse"]


def test_a_tombstone_goes_only_behind_the_beginning_of_the_log(sinks: Sinks) -> None:
    sinks.event(0, key=1)
    sinks.event(1, key=1, deleted=True)
    sinks.event(7, key=2, deleted=True)
    sinks.keep_up()
    assert sinks.stored() == ({1, 2}, {1, 2})
    sinks.log_begins_at(5)
    said = sinks.keep_up()
    assert "removed 1 tombstones" in said["clickhouse"]
    assert "removed 1 tombstones" in said["warehouse"]
    assert sinks.stored() == ({2}, {2})
    sinks.event(6, key=2)  # Kafka still has it: written again, it must not bring the row back
    assert sinks.readers() == ([], [])


def test_the_horizon_is_as_old_as_the_policy_says(sinks: Sinks) -> None:
    sinks.event(1, key=1, deleted=True)
    sinks.log_begins_at(5)
    said = sinks.keep_up(age=60)
    assert all("no horizon is old enough" in text for text in said.values())
    sinks.ops.rows("UPDATE cdc_ops.horizons SET recorded_at = now() - interval '61 minutes'")
    assert all("removed 1 tombstones" in text for text in sinks.keep_up(age=60).values())


def test_a_dead_letter_that_waits_keeps_the_tombstones_above_it(sinks: Sinks) -> None:
    sinks.event(3, key=1, deleted=True)
    sinks.log_begins_at(5)
    letter = DeadLetter(
        sinks.pipeline.name, "orders", "warehouse", "q", sinks.table.name, sinks.topic, 0, 2, None,
        b"k", b"v", "DataError", "too long",
    )  # fmt: skip
    sinks.ops.add_dead_letters([letter])
    said = sinks.keep_up()
    assert "tombstones" in said["clickhouse"]
    assert "tombstones" not in said["warehouse"]
    assert sinks.stored() == (set(), {1})
    sinks.event(2, key=1)  # the replay, into both
    assert sinks.readers()[1] == []


def test_a_replay_under_way_keeps_the_tombstones_above_what_it_may_write_again(sinks: Sinks) -> None:
    sinks.event(3, key=1, deleted=True)
    sinks.log_begins_at(5)
    begun = {"since": {0: 2}, "until": {0: 5}}
    run = sinks.ops.begin_run(
        sinks.pipeline.name, sinks.table.name, RunKind.REPLAY, {}, ["clickhouse"], position=begun
    )
    sinks.ops.end_run(run.id, "broken off", failed=True)  # it may be run again, and goes on where it was
    said = sinks.keep_up()
    assert all("tombstones" not in text for text in said.values())
    sinks.event(2, key=1)
    assert sinks.readers() == ([], [])
    sinks.ops.end_run(run.id)
    assert all("removed 1 tombstones" in text for text in sinks.keep_up().values())


@pytest.mark.parametrize("kind", RunKind)
@pytest.mark.parametrize("age", [0, 60])
def test_no_tombstone_goes_while_a_bounded_run_of_its_table_is_under_way(
    sinks: Sinks, kind: RunKind, age: int
) -> None:
    sinks.event(3, key=1, deleted=True)
    sinks.log_begins_at(5)
    sinks.keep_up(age=60)
    sinks.ops.rows("UPDATE cdc_ops.horizons SET recorded_at = now() - interval '61 minutes'")
    position = {"since": {0: 5}, "until": {0: 9}}
    run = sinks.ops.begin_run(
        sinks.pipeline.name, sinks.table.name, kind, {}, ["warehouse"], position=position
    )
    said = sinks.keep_up(age=age)
    assert all(f"tombstones: {kind} of order_items into warehouse: running" in text for text in said.values())
    assert all("removed" not in text for text in said.values())
    assert sinks.stored() == ({1}, {1})
    sinks.ops.end_run(run.id)
    assert all("removed 1 tombstones" in text for text in sinks.keep_up(age=age).values())


def test_a_run_of_another_table_or_one_that_was_killed_holds_nothing_back(sinks: Sinks) -> None:
    sinks.event(3, key=1, deleted=True)
    sinks.log_begins_at(5)
    killed = sinks.ops.begin_run(sinks.pipeline.name, sinks.table.name, RunKind.RESYNC, {}, ["warehouse"])
    sinks.ops.begin_run(sinks.pipeline.name, "customers", RunKind.BACKFILL, {}, ["warehouse"])
    sinks.ops.rows(
        "UPDATE cdc_ops.bounded_runs SET touched_at = now() - interval '61 minutes' WHERE id = %s",
        (killed.id,),
    )
    assert all("removed 1 tombstones" in text for text in sinks.keep_up().values())


def test_a_tombstone_stays_while_an_older_version_is_not_merged(sinks: Sinks) -> None:
    sinks.event(0, key=1)
    sinks.event(1, key=1, deleted=True)
    sinks.log_begins_at(5)
    (report,) = keep_up_poorly(sinks)
    assert "left of the budget" in " ".join(report.left)
    assert sinks.readers()[0] == []
    assert sinks.stored()[0] == {1}


def keep_up_poorly(sinks: Sinks) -> tuple[TableUpkeep, ...]:
    """With a budget that no part of ClickHouse fits."""
    policies = sinks.pipeline.policies
    small = policies.maintenance.model_copy(update={"max_merge_gb": 1e-9})
    poor = sinks.pipeline.model_copy(update={"policies": policies.model_copy(update={"maintenance": small})})
    return keep_up(
        poor,
        sinks.stack.connections,
        run=RUN,
        sinks=["clickhouse"],
        tables=["order_items"],
        horizon_age_minutes=0,
    ).tables


def test_a_run_leaves_a_report_of_each_table_with_figures_before_and_after(sinks: Sinks) -> None:
    began = sinks.ops.clock()
    sinks.event(0, key=1)
    sinks.event(3, key=2, deleted=True)
    sinks.log_begins_at(5)
    sinks.keep_up()
    own, warehouse, clickhouse = sinks.ops.maintenance(sinks.pipeline.name, 9)
    assert [(one.place, one.table, one.run) for one in (own, warehouse, clickhouse)] == [
        ("ops store", "", RUN), ("warehouse", "order_items", RUN), ("clickhouse", "order_items", RUN),
    ]  # fmt: skip
    assert began < clickhouse.started_at < clickhouse.finished_at <= warehouse.finished_at
    before, after = clickhouse.report["before"], clickhouse.report["after"]
    assert (before["parts"], before["rows"], before["tombstones"]) == (2, 2, 1)
    assert (after["parts"], after["rows"], after["tombstones"]) == (1, 1, 0)
    (partition,) = clickhouse.report["partitions"]
    assert (partition["before"]["parts"], partition["before"]["rows"]) == (2, 2)
    assert (partition["after"]["parts"], partition["after"]["rows"]) == (1, 2)
    assert clickhouse.merged_bytes == partition["before"]["bytes"] > 0
    assert partition["seconds"] > 0
    assert clickhouse.outcome == "done"
    assert (warehouse.report["before"]["tombstones"], warehouse.report["after"]["tombstones"]) == (1, 0)
    assert own.outcome == "nothing to do"


def test_a_run_that_did_nothing_because_of_its_budget_says_so(sinks: Sinks) -> None:
    sinks.event(0, key=1)
    sinks.event(1, key=1)
    keep_up_poorly(sinks)
    (report,) = (one for one in sinks.ops.maintenance(sinks.pipeline.name, 9) if one.table)
    assert report.outcome == "not done"
    assert "left of the budget" in report.left[0]
    assert report.report["before"] == report.report["after"]
    (partition,) = report.report["partitions"]
    assert partition["before"] == partition["after"]
    assert "left of the budget" in partition["left"]
    assert report.merged_bytes == 0


def test_a_run_that_is_broken_off_says_why_of_what_it_did_not_get_to(sinks: Sinks) -> None:
    sinks.warehouse.execute("ALTER TABLE cdc_raw.order_items RENAME TO elsewhere")
    try:
        with pytest.raises(UnavailableError):
            sinks.keep_up()
    finally:
        sinks.warehouse.execute("ALTER TABLE cdc_raw.elsewhere RENAME TO order_items")
    found = {one.place: one for one in sinks.ops.maintenance(sinks.pipeline.name, 9)}
    assert found.keys() == {"clickhouse", "warehouse"}
    assert "broken off" not in " ".join(found["clickhouse"].left)
    assert found["warehouse"].outcome == "not done"
    assert "the run was broken off: the warehouse" in found["warehouse"].left[0]


def test_what_kafka_keeps_is_reported_beside_it(sinks: Sinks) -> None:
    todo = "Raise retention.ms."
    verdicts = [
        Verdict(Level.OK, "retention of a", "a is kept for long enough"),
        Verdict(Level.BREACH, "retention of b", "b is not", todo=todo),
    ]
    record_retention(sinks.pipeline, sinks.stack.connections, RUN, verdicts)
    (report,) = sinks.ops.maintenance(sinks.pipeline.name, 9)
    assert (report.place, report.outcome) == ("Kafka", "not ok")
    assert report.done == ("a is kept for long enough",)
    assert report.left == (f"b is not. {todo}",)


def test_rows_that_a_truncate_removed_go(sinks: Sinks) -> None:
    sinks.event(0, key=1, lsn=50)
    sinks.event(1, key=2, lsn=90)
    sinks.clickhouse.command("INSERT INTO cdc_raw._truncate_floors VALUES ('order_items', 1, 80)")
    sinks.warehouse.execute("INSERT INTO cdc_raw._truncate_floors VALUES ('order_items', 1, 80)")
    before = sinks.readers()
    said = sinks.keep_up()
    assert "removed 1 truncated rows" in said["clickhouse"]
    assert "removed 1 truncated rows" in said["warehouse"]
    assert sinks.stored() == ({2}, {2})
    assert sinks.readers() == before == ([(2, 1)], [(2, 1)])
