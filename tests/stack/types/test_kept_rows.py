"""The real engines keep what `cdc.model.kept`, on which the histories are proven, says that they keep."""

from __future__ import annotations

import contextlib
import random
from datetime import UTC, datetime
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from psycopg.sql import SQL, Identifier

from cdc.clients.clickhouse import connect_clickhouse
from cdc.ddl import clickhouse as clickhouse_ddl
from cdc.ddl.warehouse import FENCE, LEDGER
from cdc.errors import FencedError, UnavailableError
from cdc.model.floors import Floor
from cdc.model.kept import ClickHouseTable, Kept, WarehouseTable
from cdc.model.ledger import Range
from cdc.model.version import pack, unpack
from cdc.spec import ClickHouseSink, TableSpec, WarehouseSink
from cdc_spark.schemas.rows import row_schema
from cdc_spark.writers import warehouse as writer_module
from cdc_spark.writers.base import SinkBatch
from cdc_spark.writers.clickhouse import ClickHouseWriter
from cdc_spark.writers.warehouse import WarehouseWriter, raise_fence

KEYS, STEPS, TOPIC, QUERY = 6, 70, "kept", "kept.q"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
Rows = list[tuple[int, Kept]]


class Both:
    """A table in both engines and in both models; every step is done to all four."""

    def __init__(self, lab: Any, name: str) -> None:
        self.table = TableSpec.model_validate(
            {
                "source": f"public.{name}",
                "key": ["id"],
                "columns": [
                    {"name": "id", "type": "integer", "nullable": False},
                    {"name": "v", "type": "text"},
                ],
            }
        )
        pipeline = lab.pipeline([self.table])
        lab.make(pipeline, self.table)
        by_type = {type(sink): sink for sink in pipeline.sinks}
        self.clickhouse: ClickHouseSink = by_type[ClickHouseSink]
        self.warehouse: WarehouseSink = by_type[WarehouseSink]
        self.connections = lab.connections
        self.client = connect_clickhouse(lab.connections.get("cdc_clickhouse"))
        self.session: psycopg.Connection[Any] = lab.warehouse()
        self.raw = clickhouse_ddl.raw_name(self.clickhouse, self.table)
        self.columnar, self.rows = ClickHouseTable(), WarehouseTable()
        self.query = f"{QUERY}.{name}"

    def close(self) -> None:
        self.client.close()
        self.session.close()

    def write(self, entries: Rows, floors: list[Floor], until: int, epoch: int | None) -> None:
        batch = SinkBatch(TOPIC, self._arrow(entries), frozenset(floors), {0: until})
        ClickHouseWriter(self.connections.get("cdc_clickhouse"), self.clickhouse, self.table).write(batch)
        self.columnar.insert(entries, floors)
        writer = WarehouseWriter(
            self.connections.get("cdc_warehouse"), self.warehouse, self.table, self.query, epoch
        )
        refused = []
        ranges = [Range(TOPIC, 0, 0, until)]
        for act in (
            lambda: writer.write(batch),
            lambda: self.rows.write(entries, floors, ranges, epoch),
        ):
            try:
                act()
                refused.append(False)
            except FencedError:
                refused.append(True)
        assert refused[0] == refused[1]

    def raise_fence(self, epoch: int) -> None:
        if not self.rows.refuses(epoch):
            raise_fence(self.connections.get("cdc_warehouse"), self.warehouse, self.query, epoch)
            self.rows.raise_fence(epoch)

    def command(self, statement: str) -> None:
        self.client.command(statement.format(raw=self.raw))

    def assert_alike(self) -> None:
        view = clickhouse_ddl.view_name(self.clickhouse, self.table)
        found = self.client.query(f"SELECT id, v FROM {view}").result_rows
        assert dict(map(tuple, found)) == self.columnar.view()
        shown = SQL("SELECT id, v FROM {}").format(Identifier(*self.warehouse.view(self.table.name)))
        assert dict(self.session.execute(shown).fetchall()) == self.rows.view()
        stored = SQL("SELECT id, _version, _is_deleted, _lsn, _partition FROM {}").format(
            Identifier(*self.warehouse.raw_table(self.table.name))
        )
        assert sorted(map(tuple, self.session.execute(stored).fetchall())) == _stored(self.rows.rows.items())

    def assert_merged_alike(self) -> None:
        found = self.client.query(f"SELECT id, _version, _is_deleted = 1, _lsn, _partition FROM {self.raw}")
        merged = [(key, row) for key, rows in self.columnar.rows.items() for row in rows]
        assert sorted(map(tuple, found.result_rows)) == _stored(merged)

    def _arrow(self, entries: Rows) -> pa.Table:
        rows = [
            {
                "id": key,
                "v": row.values,
                "processed_at": NOW,
                "_version": row.version,
                "_op": "d" if row.deleted else "u",
                "_lsn": row.lsn,
                "_source_ts": NOW,
                "_partition": row.partition,
                "_offset": unpack(row.version).offset,
            }
            for key, row in entries
        ]
        return pa.Table.from_pylist(rows, schema=row_schema(self.table))


def _stored(entries: Any) -> list[tuple[Any, ...]]:
    return sorted((key, row.version, row.deleted, row.lsn, row.partition) for key, row in entries)


def _random_rows(dice: random.Random, step: int) -> Rows:
    rows: Rows = []
    for _ in range(dice.randint(0, 8)):
        key = dice.randrange(KEYS)
        repair = dice.random() < 0.2
        version = pack(dice.randint(0, 2), dice.randint(0, 12), repair=repair)
        deleted = dice.random() < 0.3
        value = None if deleted else f"{step}.{len(rows)}"
        # One batch has an event once; a later batch may have it again, and another value after a fix.
        if (key, version) not in {(k, row.version) for k, row in rows}:
            rows.append((key, Kept(version, deleted, dice.randint(1, 40), key % 3, value)))
    return rows


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_written_in_whatever_order_both_engines_keep_what_the_model_keeps(lab, seed):
    with contextlib.closing(Both(lab, f"kept_{seed}")) as both:
        _play(random.Random(seed), both)
        until = SQL("SELECT until_offset FROM {} WHERE query = %s").format(
            Identifier(both.warehouse.raw_schema, LEDGER)
        )
        row = both.session.execute(until, (both.query,)).fetchone()
        assert row == (both.rows.ledger[TOPIC, 0],)


def test_a_writer_that_never_ends_keeps_nobody_waiting_for_long(lab, monkeypatch):
    """As one does whose machine is gone, until PostgreSQL misses its answers."""
    monkeypatch.setattr(writer_module, "FENCE_WAIT_S", 1)
    with contextlib.closing(Both(lab, "kept_fence")) as both:
        both.raise_fence(1)
        fence = SQL("SELECT epoch FROM {} FOR SHARE").format(Identifier(both.warehouse.raw_schema, FENCE))
        with lab.warehouse() as gone, gone.transaction():
            gone.execute(fence)
            with pytest.raises(UnavailableError, match="raising the fence"):
                both.raise_fence(2)
        both.raise_fence(2)


def _play(dice: random.Random, both: Both) -> None:
    for step in range(STEPS):
        act = dice.random()
        if act < 0.7:
            floors = [Floor(dice.randint(0, 2), dice.randint(1, 30))] if dice.random() < 0.1 else []
            epoch = dice.choice([None, 1, 2, 3])
            both.write(_random_rows(dice, step), floors, dice.randint(0, 50), epoch)
        elif act < 0.76:
            both.raise_fence(dice.randint(1, 3))
        else:
            both.command("OPTIMIZE TABLE {raw} FINAL")
            both.columnar.optimize()
            if act < 0.82:
                both.command("OPTIMIZE TABLE {raw} FINAL CLEANUP")
                both.columnar.cleanup()
            elif act < 0.88:
                horizon = {p: pack(dice.randint(0, 2), dice.randint(0, 12)) for p in range(3)}
                behind = " OR ".join(f"(_partition = {p} AND _version < {v})" for p, v in horizon.items())
                both.command(f"DELETE FROM {{raw}} WHERE _is_deleted = 1 AND ({behind})")
                both.columnar.delete_tombstones(horizon)
            elif act < 0.94:
                floor = both.columnar.floor
                both.command(f"DELETE FROM {{raw}} WHERE (_generation, _lsn) < {tuple(floor)}")
                both.columnar.delete_truncated()
            both.assert_merged_alike()
        both.assert_alike()
