"""Events of a small table, without Spark."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from cdc.spec import TableSpec
from cdc_spark.transformations.cdc_transformer import TableContext
from cdc_spark.transformations.limits import CLICKHOUSE
from cdc_spark.transformations.parse import row_function

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


@pytest.fixture
def context(table: TableSpec) -> TableContext:
    return TableContext(table, "p.public.things", {0: [(0, 1), (100, 2)], 1: [(0, 1)]}, CLICKHOUSE)


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

    def run(*records: tuple[bytes | None, bytes | None, int, int], **changed: Any) -> list[dict[str, Any]]:
        keys, values, partitions, offsets = zip(*records, strict=True)
        batch = pa.RecordBatch.from_arrays(
            [
                pa.array(keys, pa.binary()),
                pa.array(values, pa.binary()),
                pa.array(partitions, pa.int32()),
                pa.array(offsets, pa.int64()),
            ],
            names=["key", "value", "partition", "offset"],
        )
        used = TableContext(**{**context.__dict__, **changed})
        return [row for out in row_function(used)(iter([batch])) for row in out.to_pylist()]

    return run
