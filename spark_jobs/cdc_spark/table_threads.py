"""Several tables of a batch at a time: most of what a table takes is waiting for Kafka and the sink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from pyspark.sql import SparkSession
from pyspark.util import inheritable_thread_target

TABLES_AT_ONCE = 4
Item = TypeVar("Item")
Result = TypeVar("Result")


class TableThreads:
    """Threads that stay, because connections and consumers belong to a thread (`cdc_spark/kept.py`)."""

    def __init__(self, most: int = TABLES_AT_ONCE) -> None:
        """No thread is started before several tables have events at once."""
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="table")

    def run(
        self, spark: SparkSession, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> list[Result]:
        """What a function makes of each item, in their order.

        The first failure is raised once nothing is under way any more; what had not begun then does not
        begin. Spark jobs of the threads are those of the caller: its scheduler pool, its job group.
        """
        if len(items) < 2:
            return [function(item) for item in items]
        inheriting = inheritable_thread_target(spark)(function)
        futures = [self._pool.submit(inheriting, item) for item in items]
        done, others = wait(futures, return_when=FIRST_EXCEPTION)
        running = [future for future in others if not future.cancel()]
        wait(running)
        for future in futures:
            if future in done and (error := future.exception()) is not None:
                raise error
        return [future.result() for future in futures]
