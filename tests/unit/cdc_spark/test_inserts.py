"""Rows are gathered until an insert is worth it, and no longer than memory allows."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cdc_spark.writers import base
from cdc_spark.writers.base import SinkBatch, TableWriter, write_function


class Inserts(TableWriter):
    """Remembers how many rows each insert had."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def write(self, batch: SinkBatch) -> None:
        self.rows.append(batch.rows.num_rows)

    def write_in_pieces(self, batch, limit):
        raise NotImplementedError

    def newest(self, keys):
        raise NotImplementedError


def stretch(rows: int, size: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {
            "_op": ["c"] * rows,
            "_source_ts": pa.array([1] * rows, pa.timestamp("us", "UTC")),
            "document": ["x" * size] * rows,
        }
    )


@pytest.mark.parametrize(
    ("rows", "size", "expected"),
    [
        pytest.param(10, 10, [40], id="small rows are one insert"),
        pytest.param(base.MAX_ROWS // 2, 1, [base.MAX_ROWS] * 2, id="many rows are several"),
        pytest.param(10, base.MAX_BYTES // 20, [20, 20], id="large rows are several"),
        pytest.param(1, base.MAX_BYTES, [1, 1, 1, 1], id="one that is too large by itself is one"),
    ],
)
def test_an_insert_has_as_many_rows_as_memory_allows(rows, size, expected):
    inserts = Inserts()
    list(write_function(inserts, "topic")(iter([stretch(rows, size)] * 4)))
    assert inserts.rows == expected
