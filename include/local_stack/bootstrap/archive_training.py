"""What a stream's driver and executor do, in small: the classes that this loads are those that it needs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from pyarrow import RecordBatch
from pyspark.sql import DataFrame, SparkSession


def main(scratch: Path) -> None:
    """A streaming query with a Python worker, its checkpoint, and a batch query over two partitions."""
    builder = SparkSession.builder.appName("class archive").config("spark.sql.shuffle.partitions", "1")
    session = builder.config("spark.sql.streaming.checkpointLocation", str(scratch)).getOrCreate()

    def through(batches: Iterator[RecordBatch]) -> Iterator[RecordBatch]:
        yield from batches

    def write(frame: DataFrame, _: int) -> None:
        frame.select("value").mapInArrow(through, "value long").write.format("noop").mode("append").save()

    stream = session.readStream.format("rate-micro-batch").option("rowsPerBatch", "10").load()
    query = stream.writeStream.foreachBatch(write).start()
    while query.isActive and len(query.recentProgress) < 2:
        query.awaitTermination(1)
    query.stop()
    session.range(10).repartition(2).groupBy("id").count().collect()
    session.sparkContext.parallelize([1, 2], 2).map(str).collect()
    session.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
