"""Fills a table that is built anew in a sink, before it takes the old one's place."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from cdc.errors import SchemaChangedError
from cdc.spec import TableSpec
from cdc_spark.bad_events import of_the_table
from cdc_spark.batch import BatchProcessor
from cdc_spark.readers.batch_records import frame_records
from cdc_spark.readers.source_table import WholeTable
from cdc_spark.schemas.rows import spark_schema
from cdc_spark.transformations.cdc_transformer import Trust
from cdc_spark.writers.summary import Summary


class TableBuilder(BatchProcessor):
    """Writes the way batches are written, into a table that no reader sees yet."""

    def fill(
        self, table: TableSpec, spark: SparkSession, generation: int, told: Callable[[int], None]
    ) -> Summary:
        """Write every row that the source has now into a table that is built anew.

        Args:
            table: under its name in the sink.
            spark: the session.
            generation: of the topic, begun before this is called.
            told: how many rows were read so far; it travels to the process that reads them.
        """
        source = self._context.connections.get(self._context.pipeline.source.connection)
        context = self._contexts.of(table, None, Trust.NOTHING)
        whole = WholeTable(context, source, generation, told)
        schema = StructType.fromJson(spark_schema(table))
        rows = spark.range(0, 1, 1, 1).mapInArrow(whole.batches(), schema)
        return self._deliver(table, rows)

    def catch_up(self, table: TableSpec, frame: DataFrame) -> Summary:
        """Write events into a table that is built anew; bad ones are left to the resume that follows.

        Raises:
            SchemaChangedError: no event fits: the source has changed once more.
        """
        with frame_records(frame, 1) as records:
            summary = self._write(table, records, None, Trust.RECORDS)
        if of_the_table(summary):
            raise SchemaChangedError(f"{table.source}: no event fits: {'; '.join(summary.examples)}")
        return summary
