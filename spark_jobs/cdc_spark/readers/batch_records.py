"""Where a batch's records come from: ranges that tasks read themselves, or a frame of Spark's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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
from cdc_spark.writers.summary import SCHEMA

SMALL_BATCH = 5_000
"""So few records are one task: the cost of a task is more than what it would do."""
HERE = 10_000
"""A batch of so few has no tasks at all: starting Spark jobs takes more of the machine than the work does."""
FEW = 2_000
"""So few of a table are no task in any batch."""
Stretches = Iterator[Records]
Arrows = Iterator[pa.RecordBatch]


class BatchRecords(Protocol):
    """The records of a batch, of all its topics."""

    def through(
        self, topic: str, function: Callable[[Stretches], Arrows], schema: str | StructType
    ) -> DataFrame:
        """What a function makes of the records of one topic; each partition is in one task, in its order."""

    def summaries(self, topic: str, function: Callable[[Stretches], Arrows]) -> list[str]:
        """Run a function that has one column of text to say, and collect that."""


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
        tasks, read = self._tasks(topic)

        def run(batches: Arrows) -> Arrows:
            return function(read(number for batch in batches for number in batch.column(0).to_pylist()))

        return self.spark.range(0, tasks, 1, tasks).mapInArrow(run, schema)

    def summaries(self, topic: str, function: Callable[[Stretches], Arrows]) -> list[str]:
        """The same tasks without a query's plan, which takes longer than a small batch; or none."""
        tasks, read = self._tasks(topic)
        if self.ranges.records(topic) < FEW or self.ranges.total() < HERE:
            return list(_texts(function(read(range(tasks)))))
        numbers = self.spark.sparkContext.parallelize(range(tasks), tasks)
        return numbers.mapPartitions(lambda mine: _texts(function(read(mine)))).collect()

    def _tasks(self, topic: str) -> tuple[int, Callable[[Iterable[int]], Stretches]]:
        """How many there are, and what reads the records of some of them."""
        ranges = self.ranges.of(topic)
        tasks = [ranges] if self.ranges.records(topic) < SMALL_BATCH else [[one] for one in ranges]
        reader = RangeReader(self.bootstrap, topic)
        return len(tasks), lambda numbers: chain.from_iterable(reader.read(tasks[n]) for n in numbers)


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

    def summaries(self, topic: str, function: Callable[[Stretches], Arrows]) -> list[str]:
        """As many tasks as the frame has."""
        return [row.summary for row in self.through(topic, function, SCHEMA).collect()]


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


def _texts(batches: Arrows) -> Iterator[str]:
    for batch in batches:
        yield from batch.column(0).to_pylist()


def _old_key() -> Column:
    old = F.get(F.filter("headers", lambda header: header["key"] == OLD_KEY_HEADER), F.lit(0))["value"]
    return old.alias(OLD_KEY)
