"""What becomes of a batch's bad events: dead letters, or the whole table waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from cdc.errors import RefusedError
from cdc.model.bounds import Bounds
from cdc.ops import OpsStore
from cdc.spec import TableSpec
from cdc_spark.contexts import QueryContext, TableContexts
from cdc_spark.parking import schema_changed
from cdc_spark.readers.checkpoint import BatchRanges
from cdc_spark.readers.kafka import KafkaReader
from cdc_spark.transformations.cdc_transformer import Trust
from cdc_spark.writers import dead_letters
from cdc_spark.writers.summary import SCHEMA, Summary, total

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Written:
    """What became of a table's events in a batch.

    Attributes:
        table: with which they were read at last.
        blocked: why the table waits for an approval; empty when it does not.
    """

    table: TableSpec
    summary: Summary
    blocked: str = ""


class BadEvents:
    """Keeps them before their batch is acknowledged."""

    def __init__(self, context: QueryContext, contexts: TableContexts, ops: OpsStore) -> None:
        self._context, self._contexts, self._ops = context, contexts, ops

    def keep(
        self,
        written: Written,
        spark: SparkSession,
        ranges: BatchRanges,
        waits: Mapping[int, int] | None,
    ) -> None:
        """Those of a stream's batch.

        Args:
            written: the table and what became of its events.
            spark: the session.
            ranges: which of Kafka's records the batch has.
            waits: as in the table's context.
        """
        table, summary = written.table, written.summary
        if not written.blocked and not of_the_table(summary):
            self.write(table, self._again(table, spark, ranges), summary, waits)
            return
        here = self._context
        begins = ranges.begins(here.pipeline.topic(table))
        what = (
            "events cannot name their rows"
            if summary.uncapturable
            else "no event of the table can be written any more"
        )
        reason = written.blocked or f"{what}: {'; '.join(summary.examples)}"
        self._ops.park(here.pipeline.name, table.name, here.sink.name, reason, {**begins, **summary.bad_from})
        log.error("table parked", query=here.query, table=table.source, sink=here.sink.name, reason=reason)

    def write(
        self,
        table: TableSpec,
        frame: DataFrame,
        summary: Summary,
        waits: Mapping[int, int] | None,
        trust: Trust = Trust.SINK,
    ) -> None:
        """Dead letters of those that are in a frame of Kafka's records."""
        context, here = self._contexts.of(table, waits, trust), self._context
        origin = dead_letters.Origin(
            here.pipeline.name, here.stream.name, here.sink.name, self._letters_query
        )
        records = frame.where(F.col("topic") == context.topic).select(*dead_letters.RECORD_COLUMNS)
        known = {(partition, offset): (error, message) for partition, offset, error, message in summary.late}
        known |= {(p, o): (RefusedError.__name__, message) for p, o, message in summary.refused}
        function = dead_letters.dead_letter_function(context, origin, self._ops, known)
        kept = total(Summary.from_json(row.summary) for row in records.mapInArrow(function, SCHEMA).collect())
        kept.raise_failure()
        log.warning("dead letters", query=here.query, table=table.source, count=kept.bad)

    def _again(self, table: TableSpec, spark: SparkSession, ranges: BatchRanges) -> DataFrame:
        """A table's records once more, as Kafka has them."""
        topic = self._context.pipeline.topic(table)
        since, until = (Bounds(offsets={topic: side.get(topic, {})}) for side in (ranges.start, ranges.end))
        return KafkaReader(self._contexts.bootstrap, (topic,)).batch(spark, since, until)

    @property
    def _letters_query(self) -> str:
        # The same event is the same dead letter, whichever run meets it.
        return self._context.stream.query_name(self._context.sink.name)


def of_the_table(summary: Summary) -> bool:
    """Whether a batch's bad events speak of the table rather than of themselves."""
    if summary.swamped or summary.uncapturable:
        return True
    return schema_changed(summary.bad, summary.unlike, summary.judged)
