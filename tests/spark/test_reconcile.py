"""Source and sinks are compared while changes flow: planted faults are found and mended, and nothing else."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cdc.clients.postgres import connect_postgres
from cdc.model.partitioner import partition_of
from cdc.model.version import pack
from cdc.services.reconcile import Reconciler, TableReconciliation
from cdc_spark.bounded import repair
from cdc_spark.main import drive

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

    def insert(self, number: int, op: str = "c") -> None:
        row = self.row(number)
        marks = ", ".join(["%s"] * len(row))
        self._source.execute(f"INSERT INTO customers ({NAMES}) VALUES ({marks})", tuple(row.values()))
        self.send(op, row)

    def update(self, number: int) -> None:
        row = self.row(number, phone=str(next(self._phones)))
        self._source.execute("UPDATE customers SET phone = %s WHERE id = %s", (row["phone"], number))
        self.send("u", row)

    def delete(self, number: int) -> None:
        self._source.execute("DELETE FROM customers WHERE id = %s", (number,))
        self.send("d", self.row(number))

    def send(self, op: str, row: dict[str, Any]) -> None:
        key = json.dumps({"id": row["id"]}, separators=(",", ":")).encode()
        partition = partition_of(key, 3)
        self.lab.send_raw(TABLE, key, self.lab.event(TABLE, op, row, lsn=self.position()), partition)

    def position(self) -> int:
        ((lsn,),) = self._source.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchall()
        return int(lsn)

    def captured(self) -> None:
        """Everything up to now is in Kafka, and the slot says so."""
        assert self.lab.producer.flush(30) == 0
        self._capture.execute(
            "SELECT pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())", (self._slot,)
        )


@pytest.fixture
def shop(lab, rows) -> Iterator[Shop]:
    made = Shop(lab, rows.customer)
    yield made
    made.close()


class Flowing:
    """The stream runs, and changes of some rows go on until the end."""

    def __init__(self, shop: Shop, keys: range) -> None:
        self._shop, self._keys = shop, keys
        self._ended = threading.Event()
        lab = shop.lab
        prepared = lab.prepared("customers")
        self._driver = threading.Thread(target=lambda: drive(prepared, str(lab.checkpoints)))
        self._writer = threading.Thread(target=self._write)
        self.changes = 0

    def __enter__(self) -> Flowing:
        self._driver.start()
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._writer.join()
        self._shop.lab.ops.request_stop(self._shop.lab.pipeline.name, "customers")
        self._driver.join(120)

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
    def mend(run, table, sinks) -> None:
        assert repair(lab.prepared(table.stream, sinks=tuple(sinks)), run, [table]) == 0

    return Reconciler(lab.pipeline, lab.connections, lab.ops, options.pop("mend", mend), **options)


def reconciled(lab, **options: Any) -> TableReconciliation:
    return reconciler(lab, **options).reconcile(lab.pipeline.table(TABLE))


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.2)


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
        told = reconciled(lab, mend=None)
        assert not told.settled
        assert {sink: told.left[sink] for sink in SINKS} == {sink: len(FOUND[sink]) for sink in SINKS}
        mended = reconciled(lab)
        assert {d.sink: 1 for d in mended.examples} == dict.fromkeys(SINKS, 1)
        assert mended.repaired == {sink: len(FOUND[sink]) for sink in SINKS}, mended.as_dict()
        assert mended.settled, mended.as_dict()
        # What was foreign does not hide later changes.
        shown = "SELECT count(*) AS n FROM VIEW.customers WHERE id IN (10, 11) AND phone IS NULL"
        assert lab.both(shown) == ([{"n": 2}], [{"n": 2}])
        again = reconciled(lab)
        assert (again.differences, again.left) == ({}, {}), again.as_dict()
    shop.captured()
    assert lab.run("customers") == 0
    query = f"SELECT {NAMES}, email_normalized FROM VIEW.customers ORDER BY id"
    clickhouse, warehouse = lab.both(query)
    for row in clickhouse:
        row["preferences"] = json.loads(row["preferences"])
    assert clickhouse == warehouse
    assert len(warehouse) == 400
    report = lab.ops.last_reconciliations(lab.pipeline.name)["customers"]
    assert report["equal"]
