"""Runs that end by themselves: topics or dead letters again, a parked table resumed, rows repaired.

None of them needs a lease: an event has the same version whoever writes it, so neither the running stream
nor a second run of the same kind is in the way, and each can be interrupted and run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pyarrow as pa
import structlog
from pyspark.sql import DataFrame, SparkSession

from cdc.clients.postgres import read_log_end
from cdc.errors import ConflictError, GenerationError
from cdc.model.bounds import Bounds, parse_bounds
from cdc.model.generations import Generations
from cdc.model.parking import ParkedTable, resume_from
from cdc.ops import DeadLetter
from cdc.services.gaps import record_gaps
from cdc.spec import SinkSpec, TableSpec
from cdc_spark.batch import BatchProcessor, Outcome
from cdc_spark.contexts import QueryContext
from cdc_spark.job_run import JobRun
from cdc_spark.readers.generations import checked_generations
from cdc_spark.readers.kafka import KafkaReader
from cdc_spark.transformations.repair import KEYS
from cdc_spark.writers.refused import MAX_REFUSED

log = structlog.get_logger(__name__)
_HEADERS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
_RECORDS = pa.schema(
    [
        ("topic", pa.string()),
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("headers", _HEADERS),
    ]
)
"""What Spark's Kafka source gives, as far as the parser and the dead letters read it."""


def reread(run: JobRun, since_text: str, until_text: str) -> int:
    """Read a stretch of the topics again into each sink.

    Raises:
        CdcError: a sink refused, or the events do not fit.
    """
    topics = _topics(run)
    since, until = parse_bounds(since_text, topics), parse_bounds(until_text, topics)
    generations = checked_generations(topics, run.kafka, run.ops)
    for sink in run.sinks:
        reread_into(run, sink, generations, since, until)
    return 0


def replay(run: JobRun, tables: Sequence[TableSpec]) -> int:
    """Hand the open dead letters of these tables to their sinks again, from the bytes that were kept.

    Those that fail again stay open with their new error; the others are marked once the sink has them.

    Raises:
        CdcError: a sink or the ops store does not answer.
    """
    for sink in run.sinks:
        for table in tables:
            replayed, failed = _replay(run, sink, table)
            if replayed or failed:
                figures = {"replayed": replayed, "failed": failed}
                log.info("dead letters replayed", sink=sink.name, table=table.name, **figures)
    return 0


def repair(run: JobRun, number: UUID, tables: Sequence[TableSpec]) -> int:
    """Read rows again from the source, by the keys that a reconciliation has left in the ops store.

    A row that does not fit the sink is told and left as it is.

    Raises:
        CdcError: the source, a sink or the ops store does not answer.
    """
    for sink in run.sinks:
        for table in tables:
            repairs = run.ops.repairs(number, run.pipeline.name, table.name, sink.name)
            if not repairs:
                continue
            keys = pa.Table.from_pylist([{"key": r.key, "partition": r.partition} for r in repairs], KEYS)
            with run.ops.writing(run.pipeline.name, table.name):
                generations = checked_generations((run.pipeline.topic(table),), run.kafka, run.ops)
                processor = BatchProcessor(context_of(run, sink, generations), run.job, run.ops)
                summary = processor.repair(table, run.spark.createDataFrame(keys).coalesce(1))
            figures = {"asked": summary.events, "deleted": summary.deleted, "bad": summary.bad}
            log.info("rows repaired", sink=sink.name, table=table.name, **figures, why=summary.examples)
    return 0


def resume(run: JobRun, table: TableSpec, *, accept_loss: bool) -> int:
    """Bring a parked table back into each sink in which it is parked.

    What the query has skipped is read again up to the topic's end; then the query writes again, and what it
    has skipped meanwhile is read again as well. No event lies outside of all three.

    Args:
        run: the table's stream.
        table: the table.
        accept_loss: begin at Kafka's earliest offset when retention has removed earlier ones.

    Raises:
        SchemaChangedError: the events still cannot be written; the table stays parked.
        GenerationError: Kafka has removed events that were not written.
        ConflictError: the table is exchanged with a new build, or was parked again or exchanged in between.
    """
    for sink in run.sinks:
        parked = run.ops.place_to_resume(run.pipeline.name, table.name, sink.name)
        if parked is None:
            log.info("table is not parked", sink=sink.name, table=table.name)
            continue
        resume_into(run, table, sink, parked, accept_loss=accept_loss)
    return 0


def resume_into(
    run: JobRun, table: TableSpec, sink: SinkSpec, parked: ParkedTable, *, accept_loss: bool = False
) -> None:
    """Bring a table back into one sink, from where it is parked; the same errors."""
    run = replace(run, stream=run.stream.model_copy(update={"tables": (table,)}))
    pipeline, topic = run.pipeline.name, run.pipeline.topic(table)
    generations = checked_generations((topic,), run.kafka, run.ops)
    start = _available(run, topic, parked, accept_loss=accept_loss)
    if not parked.released:
        end = _ends(run, topic)
        reread_into(run, sink, generations, Bounds(offsets={topic: start}), Bounds(offsets={topic: end}))
        released = run.ops.release(pipeline, parked, end)
        if released is None:
            raise _changed_meanwhile(table, sink)
        parked, start = released, end
    # Every batch that began before the release ends below the end that is read after it.
    end = _ends(run, topic)
    reread_into(run, sink, generations, Bounds(offsets={topic: start}), Bounds(offsets={topic: end}))
    if not run.ops.unpark(pipeline, parked):
        raise _changed_meanwhile(table, sink)
    log.info("table resumed", sink=sink.name, table=table.name, until=end)


def _available(run: JobRun, topic: str, parked: ParkedTable, *, accept_loss: bool) -> dict[int, int]:
    """Where the re-read of each partition begins: where parking began, if Kafka still has that."""
    earliest = run.kafka.earliest_offsets([topic])[topic]
    start = resume_from(parked, earliest)
    lost = {p: (start[p], offset) for p, offset in earliest.items() if start[p] < offset}
    if any(p in parked.offsets for p in lost) and not accept_loss:
        said = ", ".join(f"{begin} to {end - 1} of partition {p}" for p, (begin, end) in lost.items())
        if run.pipeline.table(parked.table).changelog:
            todo = (
                "These events are gone for good. Resume it with --accept-loss, and have the rows that the "
                f"source has now read as events: `cdc table snapshot {parked.table}`"
            )
        else:
            todo = (
                f"Build the table anew (`cdc resync {parked.table}`), or resume it with --accept-loss and "
                f"have what is missing mended: `cdc reconcile {parked.table} --repair`"
            )
        raise GenerationError(
            f"{parked.table} is parked in {parked.sink} from offsets that Kafka no longer has: {said} of "
            f"{topic} are lost to retention. {todo}"
        )
    if any(p in parked.offsets for p in lost):
        _record_gap(run, topic, parked)
    return {p: max(start[p], offset) for p, offset in earliest.items()}


def _record_gap(run: JobRun, topic: str, parked: ParkedTable) -> None:
    table = run.pipeline.table(parked.table)
    lsn = read_log_end(run.connections.get(run.pipeline.source.connection), "cdc-gaps")
    said = f"Kafka has removed records of {topic} that were not written"
    record_gaps(run.pipeline, [table], [parked.sink], lsn, said, run.ops)


def reread_into(
    run: JobRun, sink: SinkSpec, generations: Generations, since: Bounds, until: Bounds
) -> Outcome:
    """Read a stretch of the topics of the run's tables again into one sink."""
    frame = KafkaReader(run.kafka.bootstrap, _topics(run)).batch(run.spark, since, until)
    outcome = BatchProcessor(context_of(run, sink, generations), run.job, run.ops).reread(frame)
    for table, summary in outcome.items():
        figures = {"events": summary.events, "bad": summary.bad, "until": summary.until}
        log.info("read again", sink=sink.name, table=table, **figures)
    return outcome


def _replay(run: JobRun, sink: SinkSpec, table: TableSpec) -> tuple[int, int]:
    """How many were written, and how many failed again."""
    topic, after, tried, written = run.pipeline.topic(table), (0, 0, -1), 0, 0
    while True:
        letters = run.ops.replayable(
            run.pipeline.name, table.name, sink.name, topic, after=after, limit=MAX_REFUSED
        )
        if not letters:
            return written, tried - written
        newest = letters[-1]
        after = newest.generation, newest.partition, newest.offset
        since = run.ops.clock()
        generations = Generations({topic: {x.partition: [(0, newest.generation)] for x in letters}})
        with run.ops.writing(run.pipeline.name, table.name):
            processor = BatchProcessor(context_of(run, sink, generations), run.job, run.ops)
            summary = processor.replay(table, _records(run.spark, letters))
        if summary.events != len(letters):
            raise AssertionError(f"{len(letters)} dead letters were handed over, {summary.events} were read")
        tried += len(letters)
        written += run.ops.mark_replayed(letters, since)


def _records(spark: SparkSession, letters: Sequence[DeadLetter]) -> DataFrame:
    """The records as Kafka had them."""
    rows = [
        {
            "topic": letter.topic,
            "key": letter.key,
            "value": letter.value,
            "partition": letter.partition,
            "offset": letter.offset,
            "timestamp": letter.timestamp,
            "headers": [
                {"key": name, "value": None if value is None else value.encode()}
                for name, value in letter.headers
            ],
        }
        for letter in letters
    ]
    # One partition: rows that the sink refuses are then counted in one place.
    return spark.createDataFrame(pa.Table.from_pylist(rows, _RECORDS)).coalesce(1)


def context_of(run: JobRun, sink: SinkSpec, generations: Generations) -> QueryContext:
    """What a bounded run's batches share: no lease, and a deadline below that of one."""
    query, deadline_s = run.stream.query_name(sink.name), run.pipeline.streaming.lease_s / 3
    return QueryContext(run.pipeline, run.stream, sink, query, run.connections, generations, None, deadline_s)


def _topics(run: JobRun) -> tuple[str, ...]:
    return tuple(run.pipeline.topic(table) for table in run.stream.tables)


def _ends(run: JobRun, topic: str) -> dict[int, int]:
    return run.kafka.end_offsets([topic])[topic]


def _changed_meanwhile(table: TableSpec, sink: SinkSpec) -> ConflictError:
    return ConflictError(
        f"{table.name} in {sink.name} was parked again, built anew or resumed by somebody else while it was "
        "resumed: `cdc table list` says how it is now; where it is parked, mend what it says there, then "
        "resume it once more"
    )
