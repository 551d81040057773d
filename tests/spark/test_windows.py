"""Backfills, replays and resyncs beside the stream: what they bring back, and what they leave alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cdc.errors import ConfigurationError, GenerationError, UnsupportedSourceError
from cdc.model.bounded_run import BoundedRun, Scope
from cdc.services import bounded_runs as service
from cdc.services.bounded_runs import ask_backfill, ask_replay, ask_resync
from cdc.services.compare import compare_table
from cdc_spark.windows import carry_out
from tests.spark.test_commands import Shell
from tests.spark.test_reconcile import NAMES, SINKS, TABLE, Flowing, Shop, ids
from tests.spark.waiting import wait_for


@pytest.fixture
def shop(lab, rows) -> Iterator[Shop]:
    made = Shop(lab, rows.customer)
    yield made
    made.close()


@contextmanager
def capturing(shop: Shop) -> Iterator[None]:
    """The slot moves on, as with a connector."""
    ended = threading.Event()

    def capture() -> None:
        while not ended.wait(0.3):
            shop.captured()

    connector = threading.Thread(target=capture, daemon=True)
    connector.start()
    try:
        yield
    finally:
        ended.set()
        connector.join(120)


def filled(shop: Shop, numbers: range) -> None:
    for number in numbers:
        shop.insert(number)
    shop.captured()
    assert shop.lab.run("customers") == 0


EVERYTHING = Scope()


def backfill(lab, scope: Scope = EVERYTHING, **options: Any) -> BoundedRun:
    table = lab.pipeline.table(TABLE)
    return ask_backfill(lab.pipeline, lab.connections, lab.ops, table, scope, **options)


def replay(lab, since: str, until: str = "latest", **options: Any) -> BoundedRun:
    table = lab.pipeline.table(TABLE)
    return ask_replay(lab.pipeline, lab.connections, lab.ops, table, since, until, **options)


def do(lab, run: BoundedRun, page: int = 10) -> BoundedRun:
    assert carry_out(lab.prepared("customers"), [run.id], page) == 0
    ended: BoundedRun = lab.ops.bounded_run(run.id)
    assert ended.state == "done"
    return ended


def carry_out_by(lab, run: BoundedRun) -> list[BoundedRun]:
    """As a command or a task does it, whose application must not be needed."""

    def launch(*asked: object) -> None:
        raise AssertionError(f"{asked} needs no application")

    return service.carry_out(lab.pipeline, lab.ops, [run], launch, lambda _: None)


def lose(lab, condition: str) -> None:
    """Rows of both sinks, without their tombstones."""
    lab.alter_clickhouse(f"DELETE FROM RAW.customers WHERE {condition} SETTINGS lightweight_deletes_sync = 2")
    lab.alter_warehouse(f"DELETE FROM RAW.customers WHERE {condition}")


def everything(lab) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Each key's newest row with its version, in both sinks.

    Left out are when it was written, and how far the source's log was then, which goes on by itself.
    """
    names = f"{NAMES}, email_normalized, _version, _op, _is_deleted, _partition, _offset"
    columns = ", ".join(names.split(", "))
    return (
        lab.clickhouse(f"SELECT {columns} FROM RAW.customers FINAL ORDER BY id"),
        lab.warehouse(f"SELECT {columns} FROM RAW.customers ORDER BY id"),
    )


def versions(lab) -> dict[int, tuple[int, int]]:
    clickhouse, warehouse = everything(lab)
    found = {row["id"]: row["_version"] for row in clickhouse}
    return {row["id"]: (found[row["id"]], row["_version"]) for row in warehouse}


def test_a_backfill_brings_rows_back_and_a_second_one_changes_nothing(shop) -> None:
    lab = shop.lab
    filled(shop, range(1, 36))
    lose(lab, "id IN (3, 17, 35)")
    lab.alter_warehouse("UPDATE RAW.customers SET full_name = 'wrong', email_normalized = 'x' WHERE id = 8")
    run = do(lab, backfill(lab))
    assert (run.done, run.bad, run.position) == (35, 0, {"after": ["35"]})
    assert "35 rows" in run.sentence
    assert ids(lab) == list(range(1, 36))
    assert compare_table(lab.pipeline, lab.connections, lab.pipeline.table(TABLE)).equal
    first = everything(lab)
    again = backfill(lab)
    assert again.id != run.id
    do(lab, again, page=7)
    assert everything(lab) == first
    # A change of a row is newer than its backfill, and one that was there before is not.
    shop.update(3)
    shop.captured()
    for _ in range(2):
        assert lab.run("customers") == 0
        phones = [
            row["phone"] for side in lab.both("SELECT phone FROM VIEW.customers WHERE id = 3") for row in side
        ]
        assert phones == ["1", "1"]
        lab.forget_checkpoints()


def test_a_backfill_that_was_broken_off_goes_on_behind_its_last_page(shop) -> None:
    lab = shop.lab
    filled(shop, range(1, 31))
    run = backfill(lab)
    lab.ops.advance_run(run.id, 10, {"after": ["10"]})
    lab.ops.end_run(run.id, "the driver was killed", failed=True)
    lose(lab, "id IN (5, 15)")
    again = backfill(lab)
    assert (again.id, again.state, again.message) == (run.id, "running", "")
    assert do(lab, again).done == 30
    assert set(range(1, 31)) - set(ids(lab)) == {5}
    assert backfill(lab).id != run.id, "a run that is done is not gone on with"
    assert backfill(lab, anew=True).done == 0


def test_a_key_range_and_a_condition_touch_no_other_row(shop) -> None:
    lab = shop.lab
    filled(shop, range(1, 31))
    before = versions(lab)
    ranged = do(lab, backfill(lab, Scope(("11",), ("15",))))
    after = versions(lab)
    assert (ranged.done, {i for i in before if after[i] != before[i]}) == (4, {11, 12, 13, 14})
    lab.source("UPDATE customers SET full_name = '100%% O''Brien' WHERE id = 21")
    scope = Scope(("2",), ("29",), "full_name LIKE '100%' AND lower(tier::text) = 'gold'")
    assert do(lab, backfill(lab, scope, sinks=(lab.pipeline.sink("warehouse"),))).done == 1
    shown = lab.both("SELECT id FROM VIEW.customers WHERE full_name = '100% O''Brien'")
    assert shown == ([], [{"id": 21}])


def test_a_backfill_while_changes_flow_hides_none_of_them(shop) -> None:
    lab = shop.lab
    filled(shop, range(1, 201))
    with Flowing(shop, range(100, 201)) as flow:
        wait_for(lambda: flow.changes > 50)
        lose(lab, "id < 50")
        assert do(lab, backfill(lab), page=40).done >= 200
    shop.captured()
    assert lab.run("customers") == 0
    assert compare_table(lab.pipeline, lab.connections, lab.pipeline.table(TABLE)).equal


def test_a_row_that_a_sink_cannot_hold_is_told_and_the_others_are_written(shop) -> None:
    lab = shop.lab
    filled(shop, range(1, 4))
    lab.alter_warehouse("ALTER TABLE RAW.customers ADD CHECK (id <> 2 OR phone IS NULL)")
    lab.source("UPDATE customers SET phone = '9'")
    ended = do(lab, backfill(lab))
    assert (ended.done, ended.bad) == (3, 1)
    assert "violates check constraint" in ended.message
    assert lab.warehouse("SELECT id FROM VIEW.customers WHERE phone = '9' ORDER BY id") == [
        {"id": 1},
        {"id": 3},
    ]


def test_what_nothing_proves_and_a_parked_table_are_refused(shop) -> None:
    lab = shop.lab
    # The topic has an event, and no sink has a row that shows where its key lives.
    shop.insert(9)
    shop.captured()
    with pytest.raises(UnsupportedSourceError, match="cdc backfill customers --method snapshot"):
        backfill(lab)
    lab.ops.park(lab.pipeline.name, "customers", "warehouse", "by hand", {})
    filled(shop, range(1, 3))
    said: list[str] = []
    assert backfill(lab, say=said.append).sinks == ["clickhouse"]
    assert said == ["customers is left out in warehouse, where it is parked: by hand"]
    lab.ops.park(lab.pipeline.name, "customers", "clickhouse", "by hand", {})
    with pytest.raises(ConfigurationError, match="is parked in clickhouse, warehouse"):
        backfill(lab)


def test_a_replay_writes_the_events_of_its_stretch_again_and_overwrites_nothing_newer(shop) -> None:
    lab = shop.lab
    filled(shop, range(1, 21))
    shop.update(4)
    shop.captured()
    assert lab.run("customers") == 0
    before = everything(lab)
    assert do(lab, replay(lab, "earliest")).done == 21
    assert everything(lab) == before
    lose(lab, "id IN (4, 5, 6)")
    # Of key 4 only the older event is in the stretch.
    place = {row["id"]: (row["_partition"], row["_offset"]) for row in before[1]}
    partition, offset = place[5]
    topic = lab.topic(TABLE)
    one = replay(lab, f"{topic}:{partition}:{offset}", f"{topic}:{partition}:{offset + 1}")
    assert (one.estimate, do(lab, one).done) == (1, 1)
    assert {4, 5, 6} & set(ids(lab)) == {5}
    again = replay(lab, "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z")
    do(lab, again)
    assert everything(lab) == before
    nothing = replay(lab, "2100-01-01T00:00:00Z")
    (ended,) = carry_out_by(lab, nothing)
    assert (ended.estimate, ended.state) == (0, "done")


def test_a_replay_that_was_broken_off_goes_on_where_it_was_and_holds_back_the_purge(shop) -> None:
    lab = shop.lab
    filled(shop, range(1, 21))
    run = replay(lab, "earliest")
    since, until = run.position["since"], run.position["until"]
    assert sorted(lab.ops.replayed_places(lab.pipeline.name, "customers")) == [(0, 0), (1, 0), (2, 0)]
    lab.ops.advance_run(run.id, 5, {"since": {**since, "0": until["0"]}, "until": until})
    lab.ops.end_run(run.id, "killed", failed=True)
    lose(lab, "id > 0")
    again = replay(lab, "earliest")
    assert again.id == run.id
    lab.ops.rows("UPDATE cdc_ops.topics SET partitions = partitions + 1")
    with pytest.raises(GenerationError) as refused:
        do(lab, again)
    told = lab.ops.bounded_run(run.id)
    assert (told.state, told.message) == ("failed", str(refused.value))
    lab.ops.end_run(run.id, "its application has failed", failed=True)
    assert service.failures_of(lab.ops, [run]) == str(refused.value)
    lab.ops.rows("UPDATE cdc_ops.topics SET partitions = partitions - 1")
    do(lab, again)
    assert {row["_partition"] for row in lab.warehouse("SELECT _partition FROM VIEW.customers")} == {1, 2}
    assert lab.ops.replayed_places(lab.pipeline.name, "customers") == []


def test_a_replay_of_what_kafka_has_no_more_is_refused_with_what_it_has(shop) -> None:
    lab = shop.lab
    filled(shop, range(1, 21))
    lab.delete_records(TABLE, 0, 3)
    topic = lab.topic(TABLE)
    for since in (f"{topic}:0:2", "2020-01-01T00:00:00Z"):
        with pytest.raises(GenerationError, match=r"offsets 3 to \d+ of partition 0.*cdc backfill customers"):
            replay(lab, since)
    do(lab, replay(lab, f"{topic}:0:3"))
    with pytest.raises(ConfigurationError, match="behind its end"):
        replay(lab, f"{topic}:0:3", f"{topic}:0:300")


def test_a_resync_exchanges_a_full_table_while_readers_have_the_old_one(shop) -> None:
    lab = shop.lab
    lab.remember_source()
    publication = lab.pipeline.source.publication
    lab.source(f"CREATE PUBLICATION {publication} FOR TABLE customers")
    try:
        filled(shop, range(1, 21))
        copied = (
            "INSERT INTO RAW.customers SELECT * REPLACE (id + 9000 AS id) FROM RAW.customers WHERE id = 5"
        )
        lab.alter_clickhouse(copied)
        lab.alter_warehouse("UPDATE RAW.customers SET full_name = 'wrong' WHERE id = 7")
        table = lab.pipeline.table(TABLE)
        run = ask_resync(lab.pipeline, lab.connections, lab.ops, table)
        assert {item.sink for item in lab.ops.parked(lab.pipeline.name)} == set(SINKS)
        shop.update(1)
        with capturing(shop):
            ended = do(lab, run)
        assert ended.done == 40
        assert lab.ops.parked(lab.pipeline.name) == []
        assert compare_table(lab.pipeline, lab.connections, table).equal
        assert ids(lab) == list(range(1, 21))
        shop.delete(2)
        shop.captured()
        assert lab.run("customers") == 0
        assert compare_table(lab.pipeline, lab.connections, table).equal
    finally:
        lab.source(f"DROP PUBLICATION {publication}")


def test_a_person_backfills_and_replays_by_the_command(shop, tmp_path) -> None:
    lab, shell = shop.lab, Shell(shop.lab.environment(tmp_path))
    filled(shop, range(1, 6))
    lose(lab, "id IN (2, 4)")
    told = shell.cdc("backfill", "customers", "--where", "id % 2 = 0 -- all", code=1)
    assert "outside of a string" in told
    said = shell.cdc("backfill", "customers", "--where", "id = 2", "--json")
    done, _ = json.JSONDecoder().raw_decode(said)
    assert (done["state"], done["done"]) == ("done", 1)
    assert ids(lab) == [1, 2, 3, 5]
    assert "5 events" in shell.cdc("replay", "public.customers", "--from", "earliest")
    assert ids(lab) == [1, 2, 3, 4, 5]
    listed = json.loads(shell.cdc("runs", "--json"))
    assert [(run["kind"], run["state"]) for run in listed] == [("replay", "done"), ("backfill", "done")]
