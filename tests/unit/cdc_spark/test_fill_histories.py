"""Random histories of rows with long values, in any cuts and replayed: the sink ends like the source."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from cdc.model.floors import NO_FLOOR
from cdc.model.toast import PLACEHOLDER as GONE
from cdc.spec import TableSpec
from cdc_spark.transformations import memory
from cdc_spark.transformations.cdc_transformer import TableContext
from cdc_spark.transformations.limits import CLICKHOUSE
from cdc_spark.transformations.lookups import SourceRows, StoredRows
from cdc_spark.transformations.parse import row_function
from tests.unit.cdc_spark.conftest import World

PARTITIONS = 2
SCHEMA = pa.schema(
    {"key": pa.binary(), "value": pa.binary(), "partition": pa.int32(), "offset": pa.int64(),
     "old_key": pa.binary()}
)  # fmt: skip


def raw_key(key: int) -> bytes:
    return json.dumps({"id": key}).encode()


@dataclass
class Pipe:
    """A source, its topic, and a sink that keeps the newest version of each key."""

    context: TableContext
    rows: dict[int, list[Any]] = field(default_factory=dict)
    topic: list[list[dict[str, Any]]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    read: list[int] = field(default_factory=lambda: [0] * PARTITIONS)
    sink: dict[int, dict[str, Any]] = field(default_factory=dict)
    letters: set[bytes] = field(default_factory=set)
    last: dict[int, bool] = field(default_factory=dict)
    lsn: int = 100
    counter: int = 0

    # what the filling asks for
    def stored(self, keys: pa.Table) -> StoredRows:
        names = [*(column.name for column in self.context.table.columns), "_version", "_lsn"]
        found = [self.sink[key] for key in keys["id"].to_pylist() if key in self.sink]
        types = row_types(self.context)
        table = {name: pa.array([row[name] for row in found], types.field(name).type) for name in names}
        table["_is_deleted"] = pa.array([row["_op"] == "d" for row in found], pa.bool_())
        return StoredRows(pa.table(table), NO_FLOOR)

    def source(self, keys: pa.Table) -> SourceRows:
        ends = {number: len(records) for number, records in enumerate(self.topic)}
        rows = [(key, *self.rows[key]) for key in keys["id"].to_pylist() if key in self.rows]
        return SourceRows(self.context.generations, ends, self.lsn, rows)

    def untrue(self, keys: pa.Table, conditions: Any) -> pa.Table:
        raise AssertionError("no value here has two meanings")

    def dead_letters(self, keys: Any) -> frozenset[bytes]:
        return frozenset(self.letters & set(keys))

    # what happens at the source
    def send(self, op: str, key: int, after: list[Any] | None, bad: bool, old: int | None = None) -> None:
        row = (
            None
            if after is None
            else dict(zip(("id", "name", "price", "labels"), (key, *after), strict=True))
        )
        if row is not None:
            row = {name: value for name, value in row.items() if name not in self.context.table.unsent}
        if bad and row is not None:
            row["price"] = "no number"
        source = {"lsn": self.lsn, "txId": 1, "ts_us": 1_700_000_000_000_000}
        value = json.dumps({"before": None, "after": row, "source": source, "op": op}).encode()
        records = self.topic[key % PARTITIONS]
        record = (raw_key(key), value, key % PARTITIONS, len(records), None if old is None else raw_key(old))
        records.append(dict(zip(SCHEMA.names, record, strict=True)))
        self.last[key] = bad and row is not None

    def change(self, kind: str, key: int, other: int, said: int, bad: bool) -> None:
        self.lsn += 10
        self.counter += 1
        if kind == "write" and key not in self.rows:
            self.rows[key] = [f"n{self.counter}", f"{self.counter}.00", [f"l{self.counter}"]]
            self.send("c", key, self.rows[key], bad)
        elif kind == "write":
            row = self.rows[key]
            row[1] = f"{self.counter}.00"
            if said & 1:
                row[0] = f"n{self.counter}"
            if said & 2:
                row[2] = [f"l{self.counter}"]
            self.send("u", key, [row[0] if said & 1 else GONE, row[1], row[2] if said & 2 else [GONE]], bad)
        elif kind == "delete" and self.rows.pop(key, None) is not None:
            self.send("d", key, None, bad)
        elif kind == "move" and key in self.rows and other not in self.rows:
            row = self.rows[other] = self.rows.pop(key)
            self.send("d", key, None, bad)
            self.send("c", other, [GONE, row[1], [GONE]], bad, old=key)

    # what the stream does
    def deliver(self, counts: tuple[int, int], together: bool, each: int) -> None:
        parts = []
        for number, count in enumerate(counts):
            begin = self.read[number]
            parts.append(self.topic[number][begin : begin + count])
            self.read[number] += len(parts[-1])
        written, letters = [], set()
        for task in [parts[0] + parts[1]] if together else parts:
            for row in self.parsed(task, each):
                if row["_op"] == "!":
                    letters.add(self.topic[row["_partition"]][row["_offset"]]["key"])
                elif row["_op"] in "crud":
                    written.append(row)
        for row in written:
            if row["_version"] >= self.sink.get(row["id"], row)["_version"]:
                self.sink[row["id"]] = row
        self.letters |= letters

    def parsed(self, records: list[dict[str, Any]], each: int) -> Iterator[dict[str, Any]]:
        cuts = range(0, len(records), each)
        batches = (pa.RecordBatch.from_pylist(records[at : at + each], SCHEMA) for at in cuts)
        for batch in row_function(self.context)(batches):
            yield from batch.to_pylist()

    def check(self, seed: int) -> None:
        live = {key: [row["name"], str(row["price"]), row["labels"]] for key, row in self.sink.items()
                if row["_op"] != "d"}  # fmt: skip
        known = {key for key, bad in self.last.items() if not bad}
        assert {k: v for k, v in live.items() if k in known} == {
            k: v for k, v in self.rows.items() if k in known
        }, f"seed {seed}"


def row_types(context: TableContext) -> pa.Schema:
    from cdc_spark.schemas import row_schema

    return row_schema(context.table)


def table_with(table: TableSpec, unsent: str) -> TableSpec:
    """The table with a column that no event has."""
    columns = [
        column.model_copy(update={"from_": "source" if column.name == unsent else None})
        for column in table.columns
    ]
    return table.model_copy(update={"columns": tuple(columns)})


@pytest.mark.parametrize(("room", "unsent"), [(10**9, ""), (900, ""), (10**9, "labels"), (900, "name")])
@pytest.mark.parametrize("block", range(4))
def test_the_sink_ends_like_the_source(table, block, room, unsent, monkeypatch):
    monkeypatch.setattr(memory, "VALUE_BYTES", room)
    table = table_with(table, unsent)
    for seed in range(block * 15, block * 15 + 15):
        chance = random.Random(seed)
        pipe = Pipe(
            TableContext(table, "t", {n: [(0, 1)] for n in range(PARTITIONS)}, CLICKHOUSE, World(table))
        )
        pipe.context = TableContext(**{**pipe.context.__dict__, "lookups": pipe})
        for _ in range(chance.randint(5, 80)):
            if chance.random() < 0.75:
                kind = chance.choice(["write"] * 4 + ["move", "delete"])
                keys = chance.randrange(5), chance.randrange(5)
                pipe.change(kind, *keys, chance.randrange(4), chance.random() < 0.1)
            else:
                counts = chance.randrange(8), chance.randrange(8)
                pipe.deliver(counts, chance.random() < 0.5, chance.randint(1, 6))
        pipe.deliver((99, 99), chance.random() < 0.5, chance.randint(1, 9))
        pipe.check(seed)
        pipe.read = [0] * PARTITIONS
        pipe.deliver((7, 5), False, 3)
        pipe.deliver((99, 99), True, 5)
        pipe.check(seed)
