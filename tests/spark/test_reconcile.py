"""Source and sinks are compared while changes flow: planted faults are found and mended, and nothing else."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cdc.clients.postgres import connect_postgres
from cdc.errors import ConfigurationError, UnavailableError
from cdc.model.partitioner import partition_of
from cdc.model.version import pack
from cdc.model.window import Window
from cdc.services.compare import compare_table
from cdc.services.confirm import Confirmer, Findings
from cdc.services.fences import Patience
from cdc.services.reconcile import Reconciler
from cdc.services.reconcile_report import TableReconciliation
from cdc.spec import TableSpec
from cdc_spark.bounded import repair
from cdc_spark.main import drive
from tests.spark.test_commands import Shell
from tests.spark.waiting import wait_for

TABLE = "public.customers"
NAMES = "id, email, full_name, phone, tier, tags, preferences, external_id, created_at, updated_at"
SINKS = ("clickhouse", "warehouse")


class Shop:
    """The source's customers, and what a connector makes of changes: events, then the slot's position."""

    def __init__(self, lab, row: dict[str, Any]) -> None:
        self.lab, self._row = lab, row
        self._slot = lab.pipeline.source.slot
        self._phones = itertools.count(1)
        self._source = connect_postgres(lab.connections.get("cdc_source_admin"), autocommit=True)
        self._source.execute("TRUNCATE customers, orders, order_items")
        self._source.execute("GRANT SELECT ON customers TO debezium")
        # Its owner may not replicate.
        self._capture = connect_postgres(lab.connections.get("cdc_source"), autocommit=True)
        self._capture.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (self._slot,))

    def close(self) -> None:
        self._capture.execute("SELECT pg_drop_replication_slot(%s)", (self._slot,))
        self._capture.close()
        self._source.close()

    def row(self, number: int, **changes: Any) -> dict[str, Any]:
        return {**self._row, "id": number, "email": f"Mail{number}@X.org", **changes}

    def insert(self, number: int, op: str = "c", **changes: Any) -> None:
        self.send(op, self.insert_silently(number, **changes))

    def insert_silently(self, number: int, into: str = "customers", **changes: Any) -> dict[str, Any]:
        row = self.row(number, **changes)
        marks = ", ".join(["%s"] * len(row))
        self._source.execute(f"INSERT INTO {into} ({NAMES}) VALUES ({marks})", tuple(row.values()))
        return row

    def update(self, number: int) -> None:
        row = self.row(number, phone=str(next(self._phones)))
        self._source.execute("UPDATE customers SET phone = %s WHERE id = %s", (row["phone"], number))
        self.send("u", row)

    def date(self, number: int, created_at: str) -> None:
        """Give a row another event time."""
        row = self.row(number, created_at=created_at)
        self._source.execute("UPDATE customers SET created_at = %s WHERE id = %s", (created_at, number))
        self.send("u", row)

    def delete(self, number: int) -> None:
        self._source.execute("DELETE FROM customers WHERE id = %s", (number,))
        self.send("d", self.row(number))

    def send(self, op: str, row: dict[str, Any], partition: int | None = None) -> None:
        key = json.dumps({"id": row["id"]}, separators=(",", ":")).encode()
        partition = partition_of(key, 3) if partition is None else partition
        self.lab.send_raw(TABLE, key, self.lab.event(TABLE, op, row, lsn=self.position()), partition)

    def position(self) -> int:
        ((lsn,),) = self._source.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchall()
        return int(lsn)

    def captured(self) -> None:
        """Everything up to now is in Kafka, and the slot says so."""
        assert self.lab.producer.flush(30) == 0
        # A commit flushes the log up to its own place.
        self._capture.execute("SELECT pg_logical_emit_message(true, 'test', '')")
        self._capture.execute(
            "SELECT pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())", (self._slot,)
        )

    def patience(self, limit_s: float = 60.0) -> Patience:
        """For tests in which nothing else goes on: the slot moves while somebody waits for it."""
        return Patience(limit_s, limit_s, sleep=lambda _: self.captured())


@pytest.fixture
def shop(lab, rows) -> Iterator[Shop]:
    made = Shop(lab, rows.customer)
    yield made
    made.close()


def at_source(shop: Shop, *statements: str) -> None:
    for statement in statements:
        shop.lab.source(statement)


@pytest.fixture
def partitioned(shop) -> Iterator[Shop]:
    """The customers in partitions, beside a filled table that is not one of them yet."""
    at_source(
        shop,
        "ALTER TABLE customers RENAME TO whole",
        "CREATE TABLE customers (LIKE whole, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF customers FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE high PARTITION OF customers FOR VALUES FROM (100) TO (200)",
        "CREATE TABLE filled (LIKE customers INCLUDING ALL)",
        "GRANT SELECT ON customers TO debezium",
    )
    yield shop
    at_source(
        shop,
        "DROP TABLE customers",
        "ALTER TABLE whole RENAME TO customers",
        "DROP TABLE IF EXISTS high, filled",
    )


class Flowing:
    """The stream runs, and changes of some rows go on until the end."""

    def __init__(self, shop: Shop, keys: range) -> None:
        self._shop, self._keys = shop, keys
        self._ended = threading.Event()
        lab = shop.lab
        prepared = lab.prepared("customers")
        self._driver = threading.Thread(target=lambda: drive(prepared, str(lab.checkpoints)), daemon=True)
        self._writer = threading.Thread(target=self._write, daemon=True)
        self.changes = 0

    def __enter__(self) -> Flowing:
        self._driver.start()
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._writer.join(120)
        self._shop.lab.ops.request_stop(self._shop.lab.pipeline.name, "customers")
        self._driver.join(120)
        # The next run would obey the stop as well.
        self._shop.lab.ops.request_run(self._shop.lab.pipeline.name, "customers")

    def _write(self) -> None:
        choose, extra = random.Random(5), 1_000_000
        while not self._ended.is_set():
            for _ in range(10):
                self._shop.update(choose.choice(self._keys))
            extra += 1
            self._shop.insert(extra)
            self._shop.delete(extra)
            self.changes += 12
            self._shop.captured()


def reconciler(lab, **options: Any) -> Reconciler:
    def mend(run, tables, sinks) -> None:
        assert repair(lab.prepared(tables[0].stream, sinks=tuple(sinks)), run, tables) == 0

    return Reconciler(lab.pipeline, lab.connections, lab.ops, options.pop("mend", mend), **options)


def reconciled(lab, **options: Any) -> TableReconciliation:
    return reconciler(lab, **options).reconcile(lab.pipeline.table(TABLE))


def plant(lab) -> None:
    """In each sink: rows deleted, added, altered, resurrected; and one that hides every change."""
    hidden = pack(1, 10**9)
    lab.alter_clickhouse("DELETE FROM RAW.customers WHERE id IN (1, 2) SETTINGS lightweight_deletes_sync = 2")
    lab.alter_warehouse("DELETE FROM RAW.customers WHERE id IN (3, 4)")
    names = f"{NAMES}, email_normalized, processed_at, _version, _op, _is_deleted, _lsn, _source_ts, "
    names += "_partition, _offset, _generation"
    copy = f"INSERT INTO RAW.customers ({names}) SELECT {{}} FROM RAW.customers WHERE id = {{}} LIMIT 1"
    lab.alter_clickhouse(copy.format(names.replace("id,", "9005,", 1), 5))
    lab.alter_warehouse(copy.format(names.replace("id,", "9006,", 1), 6))
    lab.alter_clickhouse(
        "ALTER TABLE RAW.customers UPDATE full_name = 'wrong' WHERE id = 7 SETTINGS mutations_sync = 2"
    )
    lab.alter_warehouse("UPDATE RAW.customers SET tags = '{}' WHERE id = 8")
    lab.alter_clickhouse(
        "ALTER TABLE RAW.customers UPDATE email_normalized = 'wrong' WHERE id = 9 SETTINGS mutations_sync = 2"
    )
    # Counts agree: one row less and one more in each sink.
    alive = names.replace("_is_deleted", "0").replace("_version", "_version + 1")
    lab.alter_clickhouse(copy.format(alive, "501 ORDER BY _version DESC"))
    lab.alter_warehouse("UPDATE RAW.customers SET _is_deleted = false WHERE id = 502")
    lab.alter_warehouse(f"UPDATE RAW.customers SET phone = 'foreign', _version = {hidden} WHERE id = 10")
    foreign = names.replace("phone", "'foreign'").replace("_version", str(hidden))
    lab.alter_clickhouse(copy.format(foreign, 11))


FOUND = {
    "clickhouse": {1, 2, 9005, 7, 9, 501, 11},
    "warehouse": {3, 4, 9006, 8, 9, 502, 10},
}


def test_every_planted_fault_is_found_and_mended_while_changes_flow(shop) -> None:
    lab = shop.lab
    for number in range(1, 401):
        shop.insert(number, "r")
    for number in (501, 502):
        shop.insert(number)
    assert lab.run("customers") == 0
    for number in (501, 502):
        shop.delete(number)
    shop.captured()
    assert lab.run("customers") == 0
    with Flowing(shop, range(100, 401)) as flow:
        wait_for(lambda: flow.changes > 100)
        for _ in range(3):
            first = reconciled(lab)
            assert (first.differences, first.left, first.cut) == ({}, {}, False), first.as_dict()
        plant(lab)
        lab.ops.record_gap(lab.pipeline.name, "customers", SINKS, 0, "the slot was lost")
        told = reconciled(lab, mend=None)
        assert len(lab.ops.open_gaps(lab.pipeline.name)) == len(SINKS)
        assert not told.settled
        assert {sink: told.left[sink] for sink in SINKS} == {sink: len(FOUND[sink]) for sink in SINKS}
        mended = reconciled(lab)
        assert {d.sink: 1 for d in mended.examples} == dict.fromkeys(SINKS, 1)
        assert mended.repaired == {sink: len(FOUND[sink]) for sink in SINKS}, mended.as_dict()
        assert mended.settled, mended.as_dict()
        assert lab.ops.open_gaps(lab.pipeline.name) == {}
        # What was foreign does not hide later changes.
        shown = "SELECT count(*) AS n FROM VIEW.customers WHERE id IN (10, 11) AND phone IS NULL"
        assert lab.both(shown) == ([{"n": 2}], [{"n": 2}])
        again = reconciled(lab)
        assert (again.differences, again.left) == ({}, {}), again.as_dict()
    shop.captured()
    assert lab.run("customers") == 0
    # The other comparison, which reads every row, agrees.
    assert compare_table(lab.pipeline, lab.connections, lab.pipeline.table(TABLE)).equal
    assert len(ids(lab)) == 400
    report = lab.ops.last_reconciliations(lab.pipeline.name)["customers"]
    assert report["equal"]


def test_a_table_that_never_had_an_event_is_mended_and_its_first_event_is_newer(partitioned) -> None:
    shop, lab = partitioned, partitioned.lab
    table = lab.pipeline.table(TABLE)
    for number in (201, 202, 203):
        shop.insert_silently(number, into="filled")
    at_source(shop, "ALTER TABLE customers ATTACH PARTITION filled FOR VALUES FROM (200) TO (300)")
    shop.captured()
    assert lab.run("customers") == 0
    report = reconciler(lab, patience=shop.patience()).reconcile(table)
    assert report.differences == {sink: {"missing": 3} for sink in SINKS}
    assert (report.refused, report.settled) == ("", True)
    assert ids(lab) == [201, 202, 203]
    shop.update(201)
    shop.delete(202)
    shop.captured()
    assert lab.run("customers") == 0
    assert ids(lab) == [201, 203]
    assert compare_table(lab.pipeline, lab.connections, table).equal


def test_tables_whose_partitions_changed_are_mended_by_one_run(partitioned) -> None:
    shop, lab = partitioned, partitioned.lab
    runs = []

    def mend(run, tables, sinks) -> None:
        runs.append(([table.name for table in tables], sinks))
        assert repair(lab.prepared(tables[0].stream, sinks=tuple(sinks)), run, tables) == 0

    for number in (1, 2, 101):
        shop.insert(number)
    shop.captured()
    assert lab.run("customers") == 0
    at_source(shop, "TRUNCATE low")
    # The same table twice stands for two of one stream: the sample has a stream for each.
    table = lab.pipeline.table(TABLE)
    together = reconciler(lab, mend=mend, patience=shop.patience())
    assert [r.settled for r in together.reconcile_together([table, table])] == [True, True]
    assert runs == [(["customers", "customers"], ["clickhouse", "warehouse"])]
    assert ids(lab) == [101]


def test_a_table_that_is_gone_keeps_no_other_from_being_mended(partitioned) -> None:
    shop, lab = partitioned, partitioned.lab
    table = lab.pipeline.table(TABLE)
    gone = TableSpec.model_validate({**table.model_dump(by_alias=True), "source": "public.gone"})
    for number in (1, 101):
        shop.insert(number)
    shop.captured()
    assert lab.run("customers") == 0
    at_source(shop, "TRUNCATE low")
    told: list[TableReconciliation] = []
    together = reconciler(lab, patience=shop.patience(), told=told.append)
    assert together.changed_parts([gone, table]) == [table]
    with pytest.raises(ConfigurationError, match="gone"):
        together.reconcile_together([gone, table])
    assert [(report.name, report.equal) for report in told] == [("customers", False)]
    assert ids(lab) == [101]
    assert lab.ops.last_reconciliations(lab.pipeline.name)["customers"]["report"]["settled"]


@pytest.mark.parametrize("mended", [True, False])
def test_partitions_that_change_without_events_are_seen_and_mended(partitioned, mended) -> None:
    shop, lab = partitioned, partitioned.lab
    table = lab.pipeline.table(TABLE)
    for number in (1, 2, 101, 102):
        shop.insert(number)
    for number in (201, 202, 203):
        shop.insert_silently(number, into="filled")
    shop.captured()
    assert lab.run("customers") == 0
    watching = reconciler(lab, patience=shop.patience(), **({} if mended else {"mend": None}))
    assert watching.changed_parts([table]) == [table]  # nobody has compared it yet
    assert watching.reconcile(table).settled
    assert watching.changed_parts([table]) == []
    shop.update(1)
    shop.captured()
    assert lab.run("customers") == 0
    assert watching.changed_parts([table]) == []

    at_source(
        shop,
        "TRUNCATE low",
        "ALTER TABLE customers ATTACH PARTITION filled FOR VALUES FROM (200) TO (300)",
    )
    assert watching.changed_parts([table]) == [table]
    report = watching.reconcile(table)
    assert report.parts_changed
    assert report.differences == {sink: {"extra": 2, "missing": 3} for sink in SINKS}
    if not mended:
        assert report.left == dict.fromkeys(SINKS, 5)
        assert watching.changed_parts([table]) == [table]
        return
    assert report.settled
    assert ids(lab) == [101, 102, 201, 202, 203]
    assert watching.changed_parts([table]) == []
    derived = "SELECT count(*) AS n FROM VIEW.customers WHERE email_normalized = 'mail201@x.org'"
    assert lab.both(derived) == ([{"n": 1}], [{"n": 1}])

    at_source(shop, "ALTER TABLE customers DETACH PARTITION high", "DROP TABLE low")
    assert watching.changed_parts([table]) == [table]
    assert watching.reconcile(table).differences == {sink: {"extra": 2} for sink in SINKS}
    assert ids(lab) == [201, 202, 203]
    # A change of a mended row is newer than its repair, and reading the topic again changes nothing.
    shop.update(201)
    shop.captured()
    for _ in range(2):
        assert lab.run("customers") == 0
        assert lab.warehouse("SELECT id FROM VIEW.customers WHERE phone IS NOT NULL") == [{"id": 201}]
        assert watching.reconcile(table).equal
        lab.forget_checkpoints()


def ids(lab) -> list[int]:
    clickhouse, warehouse = lab.both("SELECT id FROM VIEW.customers ORDER BY id")
    assert clickhouse == warehouse
    return [row["id"] for row in warehouse]


DAYS = [Window(datetime(2026, 3, day, tzinfo=UTC), datetime(2026, 3, day + 1, tzinfo=UTC)) for day in (1, 2)]
MOMENTS = {
    1: "2026-02-28T23:59:59.999999Z",
    2: "2026-03-01T00:00:00Z",
    3: "2026-03-01T12:00:00Z",
    4: "2026-03-01T23:59:59.999999Z",
    5: "2026-03-02T00:00:00Z",
    6: "2026-03-02T09:00:00Z",
    7: "2026-03-03T00:00:00Z",
}


def test_a_window_has_the_rows_of_its_time_and_one_that_has_moved_is_no_difference(shop) -> None:
    lab = shop.lab
    table = lab.pipeline.table(TABLE).model_copy(update={"event_time": "created_at"})
    for number, moment in MOMENTS.items():
        shop.insert(number, created_at=moment)
    shop.captured()
    assert lab.run("customers") == 0
    everywhere = ("source", *SINKS)
    quiet = reconciler(lab, patience=shop.patience())
    first, second = (quiet.reconcile(table, day) for day in DAYS)
    assert (first.rows, first.equal) == (dict.fromkeys(everywhere, 3), True)
    assert (second.rows, second.equal) == (dict.fromkeys(everywhere, 2), True)
    assert first.as_dict()["window"] == ["2026-03-01T00:00:00+00:00", "2026-03-02T00:00:00+00:00"]
    # The comparison of every row has the same bounds.
    rows = compare_table(lab.pipeline, lab.connections, table, window=DAYS[0])
    assert (rows.equal, rows.rows) == (True, dict.fromkeys(everywhere, 3))
    # No other comparison stands for the whole table.
    assert lab.ops.recorded_parts(lab.pipeline.name, table.name) is None

    def catch_up(_: float) -> None:
        shop.captured()
        assert lab.run("customers") == 0

    # It lies in this window in the sinks, and in the next at the source, until its event is written.
    shop.date(3, MOMENTS[6])
    report = reconciler(lab, patience=Patience(60, 60, sleep=catch_up)).reconcile(table, DAYS[0])
    assert (report.equal, report.looked_at) == (True, 1), report.as_dict()
    assert report.rows == {"source": 2, **dict.fromkeys(SINKS, 3)}
    assert quiet.reconcile(table, DAYS[1]).rows == dict.fromkeys(everywhere, 3)

    # Moved in one sink alone, it is found from the window that it left and from the one that it came to.
    lab.alter_clickhouse(
        "ALTER TABLE RAW.customers UPDATE created_at = '2026-03-02 10:00:00' WHERE id = 2 "
        "SETTINGS mutations_sync = 2"
    )
    lab.alter_warehouse("DELETE FROM RAW.customers WHERE id IN (1, 5)")
    telling = reconciler(lab, mend=None, patience=shop.patience())
    assert telling.reconcile(table, DAYS[0]).differences == {"clickhouse": {"differing": 1}}
    found = quiet.reconcile(table, DAYS[1])
    assert found.differences == {"clickhouse": {"differing": 1}, "warehouse": {"missing": 1}}
    assert found.settled
    assert telling.reconcile(table, DAYS[0]).equal
    # What is in no window that was compared waits for its own.
    assert telling.reconcile(table).differences == {"warehouse": {"missing": 1}}
    # Nobody knows in which window the changes lie that were never captured.
    lab.ops.record_gap(lab.pipeline.name, table.name, SINKS, 0, "the slot was lost")
    whole = quiet.reconcile(table, DAYS[0])
    assert (whole.window, whole.differences) == (None, {"warehouse": {"missing": 1}})
    assert lab.ops.open_gaps(lab.pipeline.name) == {}


def test_a_date_lies_in_a_window_by_its_midnight(lab, rows) -> None:
    lab.source("TRUNCATE customers, orders, order_items")
    lab.send("public.orders", "c", rows.order)  # shipped on 2024-10-04
    assert lab.run("orders") == 0
    table = lab.pipeline.table("orders_fact").model_copy(update={"event_time": "shipped_on"})
    for day, found in ((3, 0), (4, 1), (5, 0)):
        window = Window(datetime(2024, 10, day, tzinfo=UTC), datetime(2024, 10, day + 1, tzinfo=UTC))
        report = compare_table(lab.pipeline, lab.connections, table, window=window)
        assert report.rows == {"source": 0, **dict.fromkeys(SINKS, found)}


def test_keys_that_lie_where_nobody_computes_them_are_not_repaired(shop) -> None:
    lab = shop.lab
    for number in range(1, 7):
        shop.send("c", shop.insert_silently(number), partition=0)
    shop.captured()
    assert lab.run("customers") == 0
    lab.alter_warehouse("DELETE FROM RAW.customers WHERE id = 1")
    report = reconciled(lab, patience=shop.patience())
    assert "is stored from partition 0" in report.refused
    assert "--method snapshot" in report.refused
    assert report.left == {"warehouse": 1}
    assert len(lab.warehouse("SELECT id FROM VIEW.customers")) == 5


def test_nothing_is_told_of_a_sink_that_has_not_written_everything(shop) -> None:
    lab = shop.lab
    shop.insert(1)
    shop.captured()
    assert lab.run("customers") == 0
    shop.update(1)
    shop.captured()
    with pytest.raises(UnavailableError, match="is stream 'customers' running"):
        reconciled(lab, patience=shop.patience(limit_s=2.0))
    assert lab.run("customers") == 0
    assert reconciled(lab, patience=shop.patience()).equal


def test_nothing_is_told_of_a_sink_in_which_the_table_was_parked_meanwhile(shop, monkeypatch) -> None:
    lab = shop.lab
    shop.insert(1)
    shop.captured()
    assert lab.run("customers") == 0
    for alter in (lab.alter_clickhouse, lab.alter_warehouse):
        alter("DELETE FROM RAW.customers WHERE id = 1")
    confirm = Confirmer.confirm

    def park(*args: Any) -> Findings:
        found = confirm(*args)
        lab.ops.park(lab.pipeline.name, "customers", "warehouse", "meanwhile", {0: 1})
        return found

    monkeypatch.setattr(Confirmer, "confirm", park)
    report = reconciled(lab, patience=shop.patience(), mend=None)
    assert {sink: sum(kinds.values()) for sink, kinds in report.differences.items()} == {"clickhouse": 1}
    assert report.skipped == {"warehouse": "parked: meanwhile"}


def test_a_person_mends_by_the_command(shop, tmp_path) -> None:
    lab, shell = shop.lab, Shell(shop.lab.environment(tmp_path))
    for number in (1, 2, 3):
        shop.insert(number)
    shop.captured()
    assert lab.run("customers") == 0
    lab.alter_clickhouse("DELETE FROM RAW.customers WHERE id = 2 SETTINGS lightweight_deletes_sync = 2")
    ended = threading.Event()

    def capture() -> None:
        while not ended.wait(0.3):
            shop.captured()

    connector = threading.Thread(target=capture, daemon=True)
    connector.start()
    try:
        told = shell.cdc("reconcile", "customers", code=1)
        assert "public.customers in clickhouse: 1 missing; 0 repaired, 1 left" in told
        assert "clickhouse: row (2) is missing" in told
        assert ids_in_clickhouse(lab) == [1, 3]
        mended = shell.cdc("reconcile", "public.customers", "--repair")
        assert "1 repaired, 0 left" in mended
        assert "3 in source, 3 in warehouse, 2 in clickhouse" in mended
        (report,) = json.loads(shell.cdc("reconcile", "customers", "--json").partition("\n]")[0] + "]")
        assert (report["equal"], report["rows"]["clickhouse"]) == (True, 3)
        window = shell.cdc("reconcile", "customers", "--from", "2026-03-01", "--to", "2026-03-02")
        assert "public.customers: is compared whole, since it has no `event_time`" in window
        assert "needs both --from and --to" in shell.cdc("reconcile", "--from", "2026-03-01", code=1)
    finally:
        ended.set()
        connector.join(120)
    assert ids_in_clickhouse(lab) == [1, 2, 3]
    assert "no table 'nonsense'" in shell.cdc("reconcile", "nonsense", code=1)


def ids_in_clickhouse(lab) -> list[int]:
    return [row["id"] for row in lab.clickhouse("SELECT id FROM VIEW.customers ORDER BY id")]
