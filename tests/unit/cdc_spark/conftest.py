"""Events of a small table, without Spark."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from psycopg.sql import SQL

from cdc.model.columns import Steps
from cdc.model.floors import NO_FLOOR, Floor
from cdc.spec import TableSpec
from cdc_spark.schemas import arrow_type
from cdc_spark.transformations.cdc_transformer import TableContext
from cdc_spark.transformations.limits import CLICKHOUSE
from cdc_spark.transformations.lookups import SourceRows, StoredRows
from cdc_spark.transformations.parse import row_function

GENERATIONS: Steps = {0: [(0, 1), (100, 2)], 1: [(0, 1)]}
NOW = datetime(2026, 1, 1, tzinfo=UTC)

COLUMNS = [
    {"name": "id", "type": "bigint", "nullable": False},
    {"name": "name", "type": "text", "nullable": False},
    {"name": "price", "type": "numeric(12,2)"},
    {"name": "labels", "type": "text[]"},
]


@pytest.fixture
def table() -> TableSpec:
    return TableSpec.model_validate({"source": "public.things", "key": ["id"], "columns": COLUMNS})


@dataclass
class World:
    """A sink and a source in memory: rows by key, and what was asked of them."""

    table: TableSpec
    sink: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    source_rows: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    letters: frozenset[bytes] = frozenset()
    floor: Floor = NO_FLOOR
    end: int = 50
    ends: dict[int, int] = field(default_factory=dict)
    generations: Steps = field(default_factory=lambda: {0: [(0, 1)], 1: [(0, 1)]})
    failure: Exception | None = None
    asked: list[tuple[str, list[int]]] = field(default_factory=list)
    untrue_keys: frozenset[int] = frozenset()

    def stored(self, keys: pa.Table) -> StoredRows:
        self.asked.append(("sink", keys["id"].to_pylist()))
        found = [self.sink[key] for key in keys["id"].to_pylist() if key in self.sink]
        types = [arrow_type(column.pg_type) for column in self.table.columns]
        types += [pa.int64(), pa.int64(), pa.bool_()]
        names = [*(column.name for column in self.table.columns), "_version", "_lsn", "_is_deleted"]
        columns = [[row[at] for row in found] for at in range(len(names))]
        arrays = (pa.array(values, kind) for values, kind in zip(columns, types, strict=True))
        return StoredRows(pa.table(dict(zip(names, arrays, strict=True))), self.floor)

    def source(self, keys: pa.Table) -> SourceRows:
        self.asked.append(("source", keys["id"].to_pylist()))
        if self.failure is not None:
            raise self.failure
        rows = [self.source_rows[key] for key in keys["id"].to_pylist() if key in self.source_rows]
        ends = self.ends or dict.fromkeys(self.generations, self.end)
        return SourceRows(self.generations, ends, 9000, rows)

    def untrue(self, keys: pa.Table, conditions: Mapping[str, SQL]) -> pa.Table:
        self.asked.append(("untrue " + ",".join(conditions), keys["id"].to_pylist()))
        if self.failure is not None:
            raise self.failure
        return keys.filter(pa.array([key in self.untrue_keys for key in keys["id"].to_pylist()], pa.bool_()))

    def dead_letters(self, keys: Collection[bytes]) -> frozenset[bytes]:
        return self.letters & frozenset(keys)


@pytest.fixture
def world(table: TableSpec) -> World:
    return World(table)


@pytest.fixture
def context(table: TableSpec, world: World) -> TableContext:
    return TableContext(table, "p.public.things", GENERATIONS, CLICKHOUSE, world)


@pytest.fixture
def event() -> Callable[..., bytes]:
    """Build an envelope; `source` replaces fields of its source block."""

    def build(op: str, row: dict[str, Any] | None, **source: Any) -> bytes:
        block = {"lsn": 500, "txId": 9, "ts_us": 1_700_000_000_123_456, "ts_ms": 1_700_000_000_123, **source}
        return json.dumps({"before": None, "after": row, "source": block, "op": op, "ts_ms": 1}).encode()

    return build


@pytest.fixture
def run(context: TableContext) -> Callable[..., list[dict[str, Any]]]:
    """Records (key, value, partition, offset) → the rows and markers that leave the parsing stage."""

    def run(*records: tuple[Any, ...], each: int = 10_000, **changed: Any) -> list[dict[str, Any]]:
        """`each`: records of one Arrow batch; a fifth element of a record is its old key."""
        whole = [(*record, None)[:5] for record in records]
        types = {"key": pa.binary(), "value": pa.binary(), "partition": pa.int32(), "offset": pa.int64()}
        schema = pa.schema({**types, "old_key": pa.binary()})
        batches = [
            pa.RecordBatch.from_pylist(
                [dict(zip(schema.names, record, strict=True)) for record in whole[at : at + each]], schema
            )
            for at in range(0, len(whole), each)
        ]
        used = TableContext(**{**context.__dict__, **changed})
        return [row for out in row_function(used)(iter(batches)) for row in out.to_pylist()]

    return run
