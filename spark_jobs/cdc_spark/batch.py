"""One batch of one query: each table of the stream from records to the sink, bad events kept, all counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import structlog
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.types import StructType

from cdc.connections import Connections
from cdc.errors import RefusedError, SchemaChangedError, UnavailableError
from cdc.model.bounds import Bounds
from cdc.model.columns import Steps
from cdc.model.generations import NEVER, Generations, begins_of
from cdc.model.parking import ParkedTable
from cdc.ops import OpsStore
from cdc.spec import Pipeline, SinkSpec, StreamSpec, TableSpec
from cdc_spark.jobs import BaseJob
from cdc_spark.parking import schema_changed
from cdc_spark.readers.batch_records import BatchRecords, RangeRecords, frame_records
from cdc_spark.readers.checkpoint import BatchRanges
from cdc_spark.readers.kafka import KafkaReader
from cdc_spark.readers.lookups import TableLookups
from cdc_spark.schema import Blocked, SchemaKeeper
from cdc_spark.schemas.rows import spark_schema
from cdc_spark.transformations import parse
from cdc_spark.transformations.cdc_transformer import TableContext, Trust
from cdc_spark.transformations.repair import repair_function
from cdc_spark.writers import dead_letters
from cdc_spark.writers.base import TableWriter, named, write_function
from cdc_spark.writers.factory import limits_of, writer_for
from cdc_spark.writers.summary import SCHEMA, Summary, total

MAX_CHANGES = 3
"""Changes of the source's table that one batch follows, one after the other."""

log = structlog.get_logger(__name__)
Outcome = dict[str, Summary]
"""What was done, by the table's name in the sinks."""


@dataclass(frozen=True)
class QueryContext:
    """What the batches of a query share.

    Attributes:
        query: the name in ledger, fence and dead letters.
        epoch: the lease's; None for a bounded re-read.
        deadline_s: of one write.
    """

    pipeline: Pipeline
    stream: StreamSpec
    sink: SinkSpec
    query: str
    connections: Connections
    generations: Generations
    epoch: int | None
    deadline_s: float


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


class BatchProcessor:
    """Writes batches into one sink; every batch can be repeated without harm."""

    def __init__(self, context: QueryContext, job: BaseJob, ops: OpsStore) -> None:
        self._context = context
        self._generations = context.generations
        self._revision: int | None = None
        self._job = job
        self._ops = ops
        self._schema = SchemaKeeper(context.pipeline, context.stream, context.sink, context.connections, ops)
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
        self._refresh_generations()
        records = RangeRecords(spark, self._bootstrap, ranges)
        outcome: Outcome = {}
        for table in self._schema.tables:
            if not self._is_due(table, ranges, parked):
                continue
            waits = parked[table.name].offsets if table.name in parked else None
            # While a table is resumed, its rows in the sink may lack what is being read again.
            trust = Trust.RECORDS if table.name in self._resuming else Trust.SINK
            written = self._write_following(table, records, waits, trust)
            outcome[table.name] = written.summary
            if written.summary.bad:
                self._keep_bad(written, spark, ranges, waits)
        return outcome

    def reread(self, frame: DataFrame) -> Outcome:
        """A bounded re-read: original versions, parked tables too; bad events are dead letters.

        Raises:
            SchemaChangedError: a table's events still do not have the declared shape.
        """
        outcome: Outcome = {}
        self._schema.refresh()
        with frame_records(frame, len(self._schema.tables)) as records:
            for table in self._schema.tables:
                written = self._write_following(table, records, None, Trust.RECORDS)
                outcome[table.name] = summary = written.summary
                if written.blocked:
                    raise SchemaChangedError(written.blocked)
                if of_the_table(summary):
                    raise SchemaChangedError(f"{table.source}: no event fits: {'; '.join(summary.examples)}")
                if summary.bad:
                    self._write_dead_letters(written.table, frame, summary, None)
        return outcome

    def replay(self, table: TableSpec, frame: DataFrame) -> Summary:
        """Dead letters of one table once more; those that fail again are kept with their new error."""
        self._schema.refresh()
        with frame_records(frame, 1) as records:
            written = self._write_following(self._now(table), records, None, Trust.NOTHING)
        if written.summary.bad:
            self._write_dead_letters(written.table, frame, written.summary, None, Trust.NOTHING)
        return written.summary

    def _now(self, table: TableSpec) -> TableSpec:
        """The table as it is in effect."""
        return next(item for item in self._schema.tables if item.name == table.name)

    def _refresh_generations(self) -> None:
        if self._revision != self._schema.revision:
            # A new build begins a generation of its topic, also one that then comes to nothing; it may have
            # done so between the query's start and its first batch.
            topics = [self._context.pipeline.topic(table) for table in self._schema.tables]
            self._generations = self._ops.generations(topics)
        self._revision = self._schema.revision

    def _write_following(
        self,
        table: TableSpec,
        records: BatchRecords,
        waits: Mapping[int, int] | None,
        trust: Trust,
    ) -> Written:
        """Write, and once more when the source's table has changed and the sink has followed."""
        summary = self._write(self._schema.ready(table), records, waits, trust)
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
        now = self._now(table)
        function = repair_function(self._table_context(now, None, Trust.RECORDS))
        rows = keys.mapInArrow(function, StructType.fromJson(spark_schema(now)))
        return self._deliver(now, rows)

    def _write(
        self,
        table: TableSpec,
        records: BatchRecords,
        waits: Mapping[int, int] | None,
        trust: Trust,
    ) -> Summary:
        return self._recorded(table, self._written(table, records, self._table_context(table, waits, trust)))

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
            writer = write_function(self._writer(table), context.topic)
            return records.summaries(context.topic, lambda stretches: writer(parser(stretches)))
        schema = StructType.fromJson(spark_schema(table))
        return self._into_sink(table, records.through(context.topic, parser, schema))

    def _into_sink(self, table: TableSpec, rows: DataFrame) -> list[str]:
        ready = self._job.transform(table, rows)
        writer = write_function(self._writer(table), self._context.pipeline.topic(table))
        unnamed = ready.toDF(*map(str, range(len(ready.columns))))
        return [row.summary for row in unnamed.mapInArrow(named(ready.columns, writer), SCHEMA).collect()]

    def _keep_bad(
        self,
        written: Written,
        spark: SparkSession,
        ranges: BatchRanges,
        waits: Mapping[int, int] | None,
    ) -> None:
        table, summary = written.table, written.summary
        if not written.blocked and not of_the_table(summary):
            self._write_dead_letters(table, self._again(table, spark, ranges), summary, waits)
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

    def _write_dead_letters(
        self,
        table: TableSpec,
        frame: DataFrame,
        summary: Summary,
        waits: Mapping[int, int] | None,
        trust: Trust = Trust.SINK,
    ) -> None:
        context, here = self._table_context(table, waits, trust), self._context
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
        return KafkaReader(self._bootstrap, (topic,)).batch(spark, since, until)

    @property
    def _bootstrap(self) -> str:
        here = self._context
        return here.connections.get(here.pipeline.kafka.connection).bootstrap_servers()

    @property
    def _letters_query(self) -> str:
        # The same event is the same dead letter, whichever run meets it.
        return self._context.stream.query_name(self._context.sink.name)

    def _table_context(
        self, table: TableSpec, waits: Mapping[int, int] | None, trust: Trust = Trust.SINK
    ) -> TableContext:
        here = self._context
        topic = here.pipeline.topic(table)
        steps = self._generations.for_topic(topic)
        lookups = TableLookups(
            here.pipeline.name,
            here.sink.name,
            table,
            topic,
            self._writer(table),
            here.connections.get(here.pipeline.source.connection),
            self._bootstrap,
            self._ops,
            # The context of a replay knows the generations of its letters alone.
            None if trust is Trust.NOTHING else steps,
        )
        begins = begins_of(steps, self._schema.generation(table))
        if trust is not Trust.NOTHING and NEVER in begins.values():
            raise UnavailableError(
                f"{table.name} was built anew after the generations of {topic} were read: the next attempt "
                "reads them again"
            )
        void = self._void_below(table, steps) if trust is Trust.NOTHING else 0
        return TableContext(table, topic, steps, limits_of(here.sink), lookups, waits, trust, void, begins)

    def _void_below(self, table: TableSpec, letters: Steps) -> int:
        """The LSN below which dead letters of a changelog count no more, since its rows were read anew."""
        if not table.changelog:
            return 0
        floor = self._ops.truncate_floor(self._context.pipeline.name, table.name)
        if floor is None:
            return 0
        generation = max(step for steps in letters.values() for _, step in steps)
        return floor[1] if floor[0] == generation else 0

    def _writer(self, table: TableSpec) -> TableWriter:
        here = self._context
        return writer_for(here.sink, table, here.connections, here.query, here.epoch, here.deadline_s)

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


def of_the_table(summary: Summary) -> bool:
    """Whether a batch's bad events speak of the table rather than of themselves."""
    if summary.swamped or summary.uncapturable:
        return True
    return schema_changed(summary.bad, summary.unlike, summary.judged)
