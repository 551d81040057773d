"""Where a batch's records come from: ranges that tasks read themselves, or a frame of Spark's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.types import StructType

from cdc_spark.readers.checkpoint import BatchRanges
from cdc_spark.readers.offset_ranges import RangeReader
from cdc_spark.transformations.records import (
    OLD_KEY,
    OLD_KEY_HEADER,
    RECORD_COLUMNS,
    Records,
    from_arrow,
)

SMALL_BATCH = 5_000
"""So few records are one task: the cost of a task is more than what it would do."""
Stretches = Iterator[Records]
Arrows = Iterator[pa.RecordBatch]


class BatchRecords(Protocol):
    """The records of a batch, of all its topics."""

    def through(
        self, topic: str, function: Callable[[Stretches], Arrows], schema: str | StructType
    ) -> DataFrame:
        """What a function makes of the records of one topic; each partition is in one task, in its order."""


@dataclass(frozen=True)
class RangeRecords:
    """Ranges of offsets, each read from Kafka by the task that needs it."""

    spark: SparkSession
    bootstrap: str
    ranges: BatchRanges

    def through(
        self, topic: str, function: Callable[[Stretches], Arrows], schema: str | StructType
    ) -> DataFrame:
        """A task for each partition that has records, or one when they are few."""
        ranges = self.ranges.of(topic)
        tasks = [ranges] if self.ranges.records(topic) < SMALL_BATCH else [[one] for one in ranges]
        reader = RangeReader(self.bootstrap, topic)

        def run(batches: Arrows) -> Arrows:
            numbers = (number for batch in batches for number in batch.column(0).to_pylist())
            return function(chain.from_iterable(reader.read(tasks[number]) for number in numbers))

        return self.spark.range(0, len(tasks), 1, len(tasks)).mapInArrow(run, schema)


@dataclass(frozen=True)
class FrameRecords:
    """Records that Spark reads."""

    frame: DataFrame

    def through(
        self, topic: str, function: Callable[[Stretches], Arrows], schema: str | StructType
    ) -> DataFrame:
        """As many tasks as the frame has."""
        records = self.frame.where(F.col("topic") == topic).drop("topic")
        return records.mapInArrow(lambda batches: function(map(from_arrow, batches)), schema)


@contextmanager
def frame_records(frame: DataFrame, tables: int) -> Iterator[FrameRecords]:
    """A frame of Kafka's records for the parser; it is read once when several tables share it."""
    records = frame.select("topic", *RECORD_COLUMNS, _old_key())
    if tables < 2:
        yield FrameRecords(records)
        return
    kept = records.persist()
    try:
        yield FrameRecords(kept)
    finally:
        kept.unpersist()


def _old_key() -> Column:
    old = F.get(F.filter("headers", lambda header: header["key"] == OLD_KEY_HEADER), F.lit(0))["value"]
    return old.alias(OLD_KEY)
