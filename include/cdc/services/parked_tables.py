"""Parked tables: what state each table is in, putting one aside by hand, bringing it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cdc.clients.kafka import KafkaClient, Offsets
from cdc.errors import UnavailableError
from cdc.model.bounded_run import refuse_resume
from cdc.model.parking import ParkedTable, resume_from
from cdc.ops import OpsStore
from cdc.services.submit import run_here
from cdc.settings import Settings
from cdc.spec import Pipeline, TableSpec


@dataclass(frozen=True)
class TableState:
    """One table in one sink.

    Attributes:
        state: flowing, parked, or resuming when a resume has begun and not ended.
        waiting: offsets between where parking began and the topic's end; None when Kafka does not answer.
        lost: Kafka has removed some of these already.
        dead_letters: open ones.
    """

    table: str
    source: str
    sink: str
    state: str
    reason: str = ""
    offsets: Mapping[int, int] | None = None
    waiting: int | None = None
    lost: bool = False
    dead_letters: int = 0


def table_states(pipeline: Pipeline, ops: OpsStore, kafka: KafkaClient) -> list[TableState]:
    """Every table of the pipeline in every sink."""
    parked = {(item.table, item.sink): item for item in ops.parked(pipeline.name)}
    letters = ops.count_dead_letters(pipeline.name)
    topics = [pipeline.topic(table) for table in pipeline.tables if any(table.name == t for t, _ in parked)]
    first, end = _kafka_offsets(kafka, topics)
    return [
        table_state(
            table,
            sink.name,
            parked.get((table.name, sink.name)),
            first.get(pipeline.topic(table), {}),
            end.get(pipeline.topic(table), {}),
            letters.get((table.name, sink.name), 0),
        )
        for table in pipeline.tables
        for sink in pipeline.sinks
    ]


def table_state(
    table: TableSpec,
    sink: str,
    parked: ParkedTable | None,
    first: Mapping[int, int],
    end: Mapping[int, int],
    dead_letters: int,
) -> TableState:
    """Judge one table in one sink, by Kafka's first and end offsets of its partitions."""
    if parked is None:
        return TableState(table.name, table.source, sink, "flowing", dead_letters=dead_letters)
    begins = resume_from(parked, end)
    return TableState(
        table.name,
        table.source,
        sink,
        "resuming" if parked.released else "parked",
        parked.reason + _of_capture(parked),
        dict(parked.offsets),
        sum(max(0, offset - begins[partition]) for partition, offset in end.items()) if end else None,
        any(offset < first.get(partition, 0) for partition, offset in parked.offsets.items()),
        dead_letters,
    )


def _of_capture(parked: ParkedTable) -> str:
    if parked.left_out_until is not None:
        return ". It is left out of the capture until the connector has passed the change"
    return ". Its topic lacks changes: only a new build has them" if parked.incomplete else ""


def park_table(
    pipeline: Pipeline, table: TableSpec, sinks: Sequence[str], reason: str, ops: OpsStore
) -> None:
    """Put a table aside in these sinks, from the next batch on.

    It begins where the query's last recorded batch ended: what a batch that is under way writes beyond that
    is written again by the resume, with the same versions.
    """
    topic = pipeline.topic(table)
    for sink in sinks:
        newest = ops.latest_progress(pipeline.name, table.stream, sink)
        begins = newest[0].until_offsets.get(topic, {}) if newest else {}
        ops.park(pipeline.name, table.name, sink, reason, begins)


def check_resumable(pipeline: Pipeline, table: TableSpec, ops: OpsStore) -> None:
    """A table that a resync has put aside, or that is being exchanged, comes back by itself.

    Raises:
        ConfigurationError: a resync of the table runs.
        ConflictError: it is being exchanged with a new build.
    """
    refuse_resume(table.name, ops.bounded_runs(pipeline.name, limit=1_000), ops.clock())
    for sink in pipeline.sinks:
        ops.place_to_resume(pipeline.name, table.name, sink.name)


def resume_table(
    pipeline: Pipeline,
    table: TableSpec,
    sinks: Sequence[str],
    pipeline_file: Path,
    settings: Settings,
    *,
    accept_loss: bool,
) -> None:
    """Bring a table back into these sinks, by the stream's job on this machine.

    Raises:
        ConfigurationError: Spark cannot be started, or the table cannot be resumed; says why.
    """
    arguments = ["--resume", table.name, "--sinks", ",".join(sinks)]
    arguments += ["--accept-loss"] if accept_loss else []
    run_here(pipeline, pipeline.stream(table.stream), pipeline_file, settings, "resume", arguments)


def _kafka_offsets(kafka: KafkaClient, topics: Sequence[str]) -> tuple[Offsets, Offsets]:
    if not topics:
        return {}, {}
    try:
        return kafka.earliest_offsets(topics), kafka.end_offsets(topics)
    except UnavailableError:
        return {}, {}
