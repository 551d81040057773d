"""A parked table built anew in every sink beside the old one: filled, caught up, exchanged, resumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from cdc.connections import Connection
from cdc.errors import ConfigurationError, SchemaChangedError, UnavailableError
from cdc.model.bounded_run import refuse_new_build
from cdc.model.bounds import Bounds
from cdc.model.generations import TopicIdentity
from cdc.model.parking import ParkedTable
from cdc.model.schema_verdict import rebuilt
from cdc.ops import TableSchema
from cdc.services.captured import wait_captured
from cdc.services.exchange import beside, discard, prepare
from cdc.services.new_build import (
    NewBuild,
    before_new_build,
    broken_off,
    exchanged,
    refuse_older_driver,
    refuse_unapproved,
    undo_broken_off,
    wait_for_batches,
)
from cdc.services.schema_changes import plan_of
from cdc.services.source_schema import Judged, judge, read_source
from cdc.spec import SinkSpec, SourceSpec, TableSpec
from cdc.spec.definitions import definition_of, fingerprint
from cdc_spark.bounded import resume_into
from cdc_spark.builder import TableBuilder
from cdc_spark.contexts import QueryContext
from cdc_spark.job_run import JobRun
from cdc_spark.readers.generations import checked_generations
from cdc_spark.readers.kafka import KafkaReader

log = structlog.get_logger(__name__)
LEFT_OUT_LIMIT_S = 600.0
"""`cdc_health` takes tables back every five minutes."""
Captured = Callable[[Connection, SourceSpec, TableSpec], None]
Tell = Callable[[str, int], Callable[[int], None]]
"""For a sink, and how many rows the sinks before have: what is told how many rows were read for it."""


def rebuild(
    run: JobRun,
    table: TableSpec,
    captured: Captured = wait_captured,
    told: Tell | None = None,
    approved: str = "",
) -> int:
    """Build a parked table as the source has it now, and let it be written again.

    Nothing that readers see changes before the exchange. It may be interrupted and run again at any time; an
    exchange that was broken off is undone first, since one of its tables is the only old one in some sink.

    How it works: once everything that the source has logged so far is in Kafka, the topic begins a new
    generation. The source's rows, read after that, have the lowest version of it; every event that they may
    lack is of that generation and above them, and no event of the table's earlier shape is.

    Args:
        run: the table's stream, with every sink.
        table: as the pipeline file has it.
        captured: waits until what the source has logged is in Kafka, and whatever follows goes there too.
        told: how far it is.
        approved: the difference that was approved; empty builds the table whatever has changed.

    Raises:
        ConfigurationError: the table is not parked in every sink, or was resumed meanwhile, or was never
            applied.
        SchemaChangedError: it cannot be captured as it is now, or differs otherwise than was approved.
        UnavailableError: a component does not answer, or the stream's driver has an earlier pipeline file.
        ConflictError: the table is built anew by another run.
    """
    if table.changelog:
        raise ConfigurationError(
            f"{table.source} is a changelog, whose events are no other shape's: give it another `name` in "
            "the pipeline file, with which it begins anew, and run `cdc apply`"
        )
    with run.ops.building(run.pipeline.name, table.name):
        if broken_off(run.pipeline, table, run.ops):
            with run.ops.exchanging(run.pipeline.name, table.name):
                undo_broken_off(run.pipeline, table, run.connections, run.ops)
        _rebuild(run, table, captured, told, approved)
    return 0


def _rebuild(run: JobRun, table: TableSpec, captured: Captured, told: Tell | None, approved: str) -> None:
    refuse_new_build(table.name, run.ops.runs_under_way(run.pipeline.name))
    refuse_older_driver(run.pipeline, table, run.ops)
    _wait_for_capture(run, table)
    source = run.connections.get(run.pipeline.source.connection)
    item = _judged(run, table, source)
    refuse_unapproved(item, approved)
    if item.found is None or not all(change.rebuildable for change in item.verdict.changes):
        raise SchemaChangedError(f"{item.verdict.sentence}. {plan_of(item.verdict.changes, item.table)}")
    new = rebuilt(item.table, item.schema.built, item.found)
    captured(source, run.pipeline.source, new)
    # Read behind that: a table that has left the capture meanwhile, or leaves it later, is not exchanged.
    parked = _wait_for_capture(run, table)
    parked_by = run.ops.clock()
    topic, kafka = run.pipeline.topic(table), run.kafka
    checked_generations((topic,), kafka, run.ops)
    begins = kafka.end_offsets([topic], "read_uncommitted")[topic]
    identity = _identity(run, topic)
    generation = run.ops.raise_generation(identity, begins)
    shadow = beside(new, datetime.now(UTC))
    kept, rows = str((item.schema.previous or {}).get("name", "")), 0
    for sink in run.sinks:
        discard(table, kept, sink, run.connections)
        rows += _build(
            run, new, shadow, sink, generation, begins, told(sink.name, rows) if told else lambda _: None
        )
    schema = TableSchema(
        table.name,
        item.found.built(new.exclude),
        fingerprint(item.declared),
        definition_of(new),
        generation,
        before_new_build(item, shadow.name, parked, identity.topic_id),
    )
    build = NewBuild(new, shadow.name, schema, parked, begins)
    wait_for_batches(run.pipeline, table, parked_by, run.ops)
    with exchanged(run.pipeline, build, run.connections, run.ops) as places:
        log.info("tables exchanged", table=table.name, old=shadow.name)
        run.ops.close_gaps(run.pipeline.name, table.name, places, parked_by)
        for sink in run.sinks:
            resume_into(run, table, sink, places[sink.name])


def _parked(run: JobRun, table: TableSpec) -> dict[str, ParkedTable]:
    found = {item.sink: item for item in run.ops.parked(run.pipeline.name) if item.table == table.name}
    flowing = [s.name for s in run.pipeline.sinks if s.name not in found or found[s.name].released]
    if flowing or {s.name for s in run.sinks} != {s.name for s in run.pipeline.sinks}:
        raise ConfigurationError(
            f"{table.name} is built anew in every sink at once, and has to be parked in each; it is not in "
            f"{', '.join(flowing) or 'all that are named'}: `cdc table park {table.name}`"
        )
    return found


def _wait_for_capture(run: JobRun, table: TableSpec) -> dict[str, ParkedTable]:
    deadline = time.monotonic() + LEFT_OUT_LIMIT_S
    while True:
        found = _parked(run, table)
        if all(place.left_out_until is None for place in found.values()):
            return found
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"{table.name} is left out of the capture until the connector has passed the change of its "
                "definition, and a new build would lack what is written meanwhile: DAG cdc_health, or `cdc "
                "apply`, takes it back then; try again"
            )
        time.sleep(1)


def _judged(run: JobRun, table: TableSpec, source: Connection) -> Judged:
    judged = judge([table], run.ops.table_schemas(run.pipeline.name), read_source(source))
    if not judged:
        raise ConfigurationError(
            f"it is not known what {table.name} was built from: run `cdc apply` while the source is as the "
            "pipeline file says"
        )
    return judged[0]


def _identity(run: JobRun, topic: str) -> TopicIdentity:
    identity = run.kafka.topic_identity(topic)
    if identity is None:
        raise UnavailableError(f"topic {topic} is not in Kafka: run `cdc apply`")
    return identity


def _build(
    run: JobRun,
    table: TableSpec,
    shadow: TableSpec,
    sink: SinkSpec,
    generation: int,
    begins: dict[int, int],
    told: Callable[[int], None],
) -> int:
    topic, kafka = run.pipeline.topic(table), run.kafka
    prepare(run.pipeline, table, shadow, sink, run.connections)
    stream = run.stream.model_copy(update={"tables": (shadow,)})
    query, deadline_s = run.stream.query_name(sink.name), run.pipeline.streaming.lease_s / 3
    generations = checked_generations((topic,), kafka, run.ops)
    context = QueryContext(run.pipeline, stream, sink, query, run.connections, generations, None, deadline_s)
    processor = TableBuilder(context, run.job, run.ops)
    filled = processor.fill(shadow, run.spark, generation, told)
    since, until = Bounds(offsets={topic: begins}), Bounds(offsets=kafka.end_offsets([topic]))
    frame = KafkaReader(kafka.bootstrap, (topic,)).batch(run.spark, since, until)
    caught_up = processor.catch_up(shadow, frame)
    log.info("table built", sink=sink.name, table=shadow.name, rows=filled.inserted, events=caught_up.events)
    return filled.events
