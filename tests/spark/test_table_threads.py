"""Tables of a batch that are written at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyspark.sql import SparkSession

from cdc.errors import UnavailableError
from cdc_spark.table_threads import TableThreads


def test_results_are_in_the_tables_order_and_some_of_them_at_the_same_time(spark: SparkSession) -> None:
    together = threading.Barrier(2, timeout=60)

    def write(table: int) -> int:
        together.wait()  # ends with an error where nobody else comes
        return table * table

    assert TableThreads(2).run(spark, write, range(6)) == [0, 1, 4, 9, 16, 25]


def test_one_table_is_written_by_the_query_s_own_thread(spark: SparkSession) -> None:
    assert TableThreads().run(spark, lambda _: threading.get_ident(), ["orders"]) == [threading.get_ident()]
    assert TableThreads().run(spark, str, []) == []


def test_threads_stay_for_the_next_batch(spark: SparkSession) -> None:
    threads, together = TableThreads(2), threading.Barrier(2, timeout=60)

    def write(_: int) -> int:
        together.wait()
        return threading.get_ident()

    first, second = (set(threads.run(spark, write, range(4))) for _ in range(2))
    assert first == second
    assert len(first) == 2


def test_after_a_failure_nothing_is_under_way_and_nothing_begins(spark: SparkSession) -> None:
    began, failing, ended = [], threading.Event(), []

    def write(table: int) -> None:
        began.append(table)
        if table == 1:
            failing.set()
            raise UnavailableError("the sink is away")
        failing.wait(60)
        # A Spark job takes longer than the other thread needs to fail.
        assert spark.sparkContext.parallelize([table], 1).count() == 1
        ended.append(table)

    with pytest.raises(UnavailableError, match="the sink is away"):
        TableThreads(2).run(spark, write, range(50))
    assert sorted(ended) == sorted(table for table in began if table != 1)
    assert len(began) < 50


def test_their_jobs_are_the_query_s(spark: SparkSession) -> None:
    name = "spark.scheduler.pool"

    def pools() -> list[str | None]:
        spark.sparkContext.setLocalProperty(name, "clickhouse")
        return TableThreads(2).run(spark, lambda _: spark.sparkContext.getLocalProperty(name), range(3))

    with ThreadPoolExecutor(1) as query:
        assert query.submit(pools).result() == ["clickhouse"] * 3
    assert spark.sparkContext.getLocalProperty(name) != "clickhouse"
