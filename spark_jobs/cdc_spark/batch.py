"""One batch of one query: each table of the stream from records to the sink, bad events kept, all counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import structlog
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from cdc.errors import SchemaChangedError, UnavailableError
from cdc.model.parking import ParkedTable
from cdc.ops import OpsStore
from cdc.spec import TableSpec
from cdc_spark.bad_events import BadEvents, Written, of_the_table
from cdc_spark.contexts import QueryContext, TableContexts
from cdc_spark.jobs import BaseJob
from cdc_spark.readers.batch_records import BatchRecords, RangeRecords, frame_records
from cdc_spark.readers.checkpoint import BatchRanges
from cdc_spark.schema import Blocked, SchemaKeeper
from cdc_spark.schemas.rows import spark_schema
from cdc_spark.table_threads import TableThreads
from cdc_spark.transformations import parse
from cdc_spark.transformations.cdc_transformer import TableContext, Trust
from cdc_spark.transformations.repair import repair_function
from cdc_spark.writers.base import named, write_function
from cdc_spark.writers.summary import SCHEMA, Summary, total

MAX_CHANGES = 3
"""Changes of the source's table that one batch follows, one after the other."""

log = structlog.get_logger(__name__)
Outcome = dict[str, Summary]
"""What was done, by the table's name in the sinks."""


class BatchProcessor:
    """Writes batches into one sink; every batch can be repeated without harm."""

    def __init__(self, context: QueryContext, job: BaseJob, ops: OpsStore) -> None:
        self._context = context
        self._job = job
        self._ops = ops
        self._schema = SchemaKeeper(context.pipeline, context.stream, context.sink, context.connections, ops)
        self._contexts = TableContexts(context, self._schema, ops)
        self._bad = BadEvents(context, self._contexts, ops)
        self._threads = TableThreads()
        self._known_parked: dict[str, ParkedTable] | None = None
        self._resuming: frozenset[str] = frozenset()

    def process(self, spark: SparkSession, ranges: BatchRanges) -> Outcome:
        """One batch of the stream.

        Args:
            spark: the session.
            ranges: which of Kafka's records they are.

        Raises:
            TransientError: the same batch may succeed later.
            TerminalError: a person has to change something.
        """
        parked = self._parked(ranges)
        # In this order: a table that came back has the definition with which it came back.
        self._schema.refresh()
        self._contexts.refresh()
        self._contexts.refresh_trust()
        records = RangeRecords(spark, self._contexts.bootstrap, ranges)

        def write(table: TableSpec) -> Summary:
            waits = parked[table.name].offsets if table.name in parked else None
            # While a table is resumed, its rows in the sink may lack what is being read again.
            trust = Trust.RECORDS if table.name in self._resuming else Trust.SINK
            written = self._write_following(table, records, waits, trust)
            if written.summary.bad:
                self._bad.keep(written, spark, ranges, waits)
            return written.summary

        due = [table for table in self._schema.tables if self._is_due(table, ranges, parked)]
        names = (table.name for table in due)
        return dict(zip(names, self._threads.run(spark, write, due), strict=True))

    def reread(self, frame: DataFrame) -> Outcome:
        """A bounded re-read: original versions, parked tables too; bad events are dead letters.

        Raises:
            SchemaChangedError: a table's events still do not have the declared shape.
        """
        outcome: Outcome = {}
        self._schema.refresh()
        self._contexts.refresh_trust()
        with frame_records(frame, len(self._schema.tables)) as records:
            for table in self._schema.tables:
                written = self._write_following(table, records, None, Trust.RECORDS)
                outcome[table.name] = summary = written.summary
                if written.blocked:
                    raise SchemaChangedError(written.blocked)
                if of_the_table(summary):
                    raise SchemaChangedError(f"{table.source}: no event fits: {'; '.join(summary.examples)}")
                if summary.bad:
                    self._bad.write(written.table, frame, summary, None)
        return outcome

    def replay(self, table: TableSpec, frame: DataFrame) -> Summary:
        """Dead letters of one table once more; those that fail again are kept with their new error."""
        self._schema.refresh()
        with frame_records(frame, 1) as records:
            written = self._write_following(table, records, None, Trust.NOTHING)
        if written.summary.bad:
            self._bad.write(written.table, frame, written.summary, None, Trust.NOTHING)
        return written.summary

    def _write_following(
        self,
        table: TableSpec,
        records: BatchRecords,
        waits: Mapping[int, int] | None,
        trust: Trust,
    ) -> Written:
        """Write, and once more when the source's table has changed and the sink has followed."""
        # Another table's thread may have read a newer definition since the batch began.
        table = self._schema.ready(table)
        summary = self._write(table, records, waits, trust)
        for _ in range(MAX_CHANGES):
            if not summary.reshaped:
                break
            try:
                answer = self._schema.examine(table, summary.unknown)
            except UnavailableError as error:
                if summary.unlike:
                    raise
                log.warning("the source cannot be asked about bad values", error=str(error))
                break
            if isinstance(answer, Blocked):
                return Written(table, summary, answer.reason)
            if answer is None:
                break
            table = answer
            summary = self._write(table, records, waits, trust)
        return Written(table, summary)

    def repair(self, table: TableSpec, keys: DataFrame) -> Summary:
        """Rows of these keys as they are at the source now, above everything that is in the topic by now.

        Args:
            table: the table.
            keys: Kafka's keys and their partitions.
        """
        self._schema.refresh()
        now = self._schema.ready(table)
        function = repair_function(self._contexts.of(now, None, Trust.RECORDS))
        rows = keys.mapInArrow(function, StructType.fromJson(spark_schema(now)))
        return self._deliver(now, rows)

    def _write(
        self,
        table: TableSpec,
        records: BatchRecords,
        waits: Mapping[int, int] | None,
        trust: Trust,
    ) -> Summary:
        return self._recorded(table, self._written(table, records, self._contexts.of(table, waits, trust)))

    def _deliver(self, table: TableSpec, rows: DataFrame) -> Summary:
        """Derived columns, then the sink."""
        return self._recorded(table, self._into_sink(table, rows))

    def _recorded(self, table: TableSpec, said: Iterable[str]) -> Summary:
        """What was written; the truncates that were among the rows are recorded."""
        here = self._context
        summary = total(map(Summary.from_json, said))
        summary.raise_failure()
        for generation, lsn in summary.floors:
            self._try(partial(self._ops.record_truncate, here.pipeline.name, table.name, generation, lsn))
        return summary

    def _written(self, table: TableSpec, records: BatchRecords, context: TableContext) -> list[str]:
        """Records through parser, job and writer: one summary for each Spark partition."""
        parser = partial(parse.rows_of, context=context)
        if not self._job.transformations(table):
            # Rows that Spark has nothing to do with need not travel to it and back.
            writer = write_function(self._contexts.writer(table), context.topic)
            return records.summaries(context.topic, lambda stretches: writer(parser(stretches)))
        schema = StructType.fromJson(spark_schema(table))
        return self._into_sink(table, records.through(context.topic, parser, schema))

    def _into_sink(self, table: TableSpec, rows: DataFrame) -> list[str]:
        ready = self._job.transform(table, rows)
        writer = write_function(self._contexts.writer(table), self._context.pipeline.topic(table))
        unnamed = ready.toDF(*map(str, range(len(ready.columns))))
        return [row.summary for row in unnamed.mapInArrow(named(ready.columns, writer), SCHEMA).collect()]

    def _is_due(self, table: TableSpec, ranges: BatchRanges, parked: Mapping[str, ParkedTable]) -> bool:
        topic = self._context.pipeline.topic(table)
        if ranges.records(topic) == 0:
            return False
        if table.name not in parked:
            return True
        waits = parked[table.name].offsets
        return any(begin < waits.get(partition, 0) for partition, begin in ranges.begins(topic).items())

    def _parked(self, ranges: BatchRanges) -> dict[str, ParkedTable]:
        try:
            tables = self._ops.parked(self._context.pipeline.name, self._context.sink.name)
        except UnavailableError as error:
            # What is skipped while nobody can say whether the table was resumed might never be read again.
            if self._known_parked is None or any(
                ranges.records(self._context.pipeline.topic(table))
                for table in self._context.stream.tables
                if table.name in self._known_parked
            ):
                raise
            self._tell_away(error)
            return self._known_parked
        self._known_parked = {table.table: table for table in tables if not table.released}
        self._resuming = frozenset(table.table for table in tables if table.released)
        return self._known_parked

    def _try(self, call: Callable[[], object]) -> None:
        """Tell the ops store what the stream can go on without."""
        try:
            call()
        except UnavailableError as error:
            self._tell_away(error)

    def _tell_away(self, error: UnavailableError) -> None:
        log.warning("the ops store is away, the stream goes on", query=self._context.query, error=str(error))
