"""Kafka's records as the parser takes them, from Arrow or as a consumer gives them. No Spark, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

RECORD_COLUMNS = ("key", "value", "partition", "offset")
OLD_KEY_HEADER = "__debezium.oldkey"
"""Debezium's header of an event that moved its row to a new key: the old one, in JSON as Kafka's key is."""
OLD_KEY = "old_key"
"""The column of records in Arrow that holds the header's value."""


@dataclass(frozen=True)
class Records:
    """A stretch of records, one entry in each list for each.

    Attributes:
        old_key: gives the header of a record that moved its row; asked seldom.
    """

    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    partitions: Sequence[int]
    offsets: Sequence[int]
    old_key: Callable[[int], bytes | None]

    def __len__(self) -> int:
        return len(self.offsets)


def from_arrow(batch: pa.RecordBatch) -> Records:
    """The records of a batch that has `RECORD_COLUMNS`, and `OLD_KEY` where that can be asked for."""
    key, value, partition, offset = (batch.column(name) for name in RECORD_COLUMNS)
    return Records(
        _bytes(key),
        _bytes(value),
        partition.to_numpy().tolist(),
        offset.to_numpy().tolist(),
        lambda position: batch.column(OLD_KEY)[position].as_py(),
    )


def _bytes(array: pa.Array) -> list[bytes | None]:
    """`to_pylist`, which takes several times as long since it makes an object of Arrow's for each value."""
    if not isinstance(array, pa.BinaryArray) or not len(array):
        values: list[bytes | None] = array.to_pylist()
        return values
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int32, len(array) + 1, array.offset * 4)
    first = int(ends[0])
    text = data.slice(first, int(ends[-1]) - first).to_pybytes() if data is not None else b""
    ends = (ends - first).tolist()
    found: list[bytes | None] = [text[begin:end] for begin, end in pairwise(ends)]
    if array.null_count:
        for position in np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)):
            found[position] = None
    return found
