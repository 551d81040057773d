"""Backfills, replays and resyncs as a person or a task asks for them: asked, launched, watched, told."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cdc.connections import Connections
from cdc.errors import CdcError, ConfigurationError, DataError
from cdc.model.bounded_run import BoundedRun, Method, RunKind, Scope, refuse_new_build
from cdc.model.bounds import Bounds, parse_bounds
from cdc.model.desired import Desired
from cdc.model.replay_window import Log, replay_window
from cdc.ops import OpsStore
from cdc.services.effective import effective_pipeline
from cdc.services.fences import Fences
from cdc.services.key_places import KeyPlaces
from cdc.services.parked_tables import park_table
from cdc.services.reach import kafka_of
from cdc.services.source_keys import SourceKeys
from cdc.services.submit import run_here
from cdc.settings import Settings
from cdc.spec import Pipeline, SinkSpec, StreamSpec, TableSpec

Say = Callable[[str], None]
Launch = Callable[[StreamSpec, Sequence[str], str], None]
"""Runs a stream's job with these arguments under a purpose, and returns when it has ended."""

WATCH_S = 5.0
RESYNCED = "being read anew by a resync, which brings it back by itself; do not resume it while that runs"
"""Why a resync's table is parked, for whoever is told of it."""


def ask_backfill(
    pipeline: Pipeline,
    connections: Connections,
    ops: OpsStore,
    table: TableSpec,
    scope: Scope,
    *,
    method: Method = Method.DIRECT,
    sinks: Sequence[SinkSpec] = (),
    anew: bool = False,
    say: Say = lambda _: None,
) -> BoundedRun:
    """Check what is asked for and begin it, or go on with one that was broken off.

    Args:
        pipeline: the pipeline.
        connections: of the source, Kafka and the sinks.
        ops: the ops store.
        table: the table.
        scope: which rows.
        method: how they are read.
        sinks: where they are written; all by default. A snapshot reaches all.
        anew: never go on with one that was broken off.
        say: is told what is left out.

    Raises:
        ConfigurationError: the table has no key, the scope is not what it has to be, or no stream would write
            what a snapshot reads.
        UnsupportedSourceError: nothing proves where the table's keys live; a snapshot does it.
        UnavailableError: a component does not answer.
    """
    table = effective_pipeline(pipeline, ops).table(table.name)
    if table.changelog:
        raise ConfigurationError(
            f"{table.source} is a changelog, whose rows are read anew as a whole: "
            f"`cdc table snapshot {table.name}`"
        )
    if method is Method.SNAPSHOT and sinks:
        raise ConfigurationError("a snapshot reaches every sink: leave the sinks out")
    if method is Method.SNAPSHOT:
        _require_stream(pipeline, ops, table)
    chosen = _writable(pipeline, ops, table, sinks or pipeline.sinks, say)
    estimate = SourceKeys(connections.get(pipeline.source.connection), table, scope).check()
    if method is Method.DIRECT:
        KeyPlaces(connections, table, Fences(pipeline, connections, ops, table)).prove(chosen)
    window = {"method": str(method), **scope.as_document()}
    names = [sink.name for sink in chosen]
    return ops.begin_run(
        pipeline.name, table.name, RunKind.BACKFILL, window, names, estimate=estimate, anew=anew
    )


def ask_replay(
    pipeline: Pipeline,
    connections: Connections,
    ops: OpsStore,
    table: TableSpec,
    since: str,
    until: str = "latest",
    *,
    sinks: Sequence[SinkSpec] = (),
    anew: bool = False,
    say: Say = lambda _: None,
) -> BoundedRun:
    """Find the offsets that are asked for, see that Kafka has them, and begin.

    Args:
        pipeline: the pipeline.
        connections: of Kafka.
        ops: the ops store.
        table: the table.
        since: offsets, a time, or `earliest` (`cdc.model.bounds`).
        until: the same, or `latest`; excluded.
        sinks: where the events are written; all by default.
        anew: never go on with one that was broken off.
        say: is told what is left out.

    Raises:
        GenerationError: Kafka has removed some of the events.
        ConfigurationError: the bounds are not what they have to be.
        UnavailableError: Kafka or the ops store does not answer.
    """
    topic = pipeline.topic(table)
    first, last = parse_bounds(since, (topic,)), parse_bounds(until, (topic,))
    chosen = _writable(pipeline, ops, table, sinks or pipeline.sinks, say)
    kafka = kafka_of(pipeline, connections)

    def at(bound: Bounds) -> dict[int, int]:
        moment = bound.timestamp_ms
        return {} if moment is None else kafka.offsets_at([topic], moment).get(topic, {})

    ends = kafka.end_offsets([topic]).get(topic)
    if ends is None:
        raise ConfigurationError(f"Kafka has no topic {topic}: run `cdc apply`")
    log = Log(topic, kafka.earliest_offsets([topic])[topic], ends, at(first), at(last))
    begin, end = replay_window(table.name, first, last, log)
    return ops.begin_run(
        pipeline.name,
        table.name,
        RunKind.REPLAY,
        {"from": since, "until": until},
        [sink.name for sink in chosen],
        estimate=sum(end[p] - offset for p, offset in begin.items()),
        position={"since": begin, "until": end},
        anew=anew,
    )


def ask_resync(pipeline: Pipeline, connections: Connections, ops: OpsStore, table: TableSpec) -> BoundedRun:
    """Park the table in every sink, where readers see it as it is until the exchange, and begin.

    Raises:
        ConfigurationError: the table is a changelog.
        UnavailableError: a replay or backfill of it is under way.
    """
    if table.changelog:
        raise ConfigurationError(
            f"{table.source} is a changelog: `cdc table snapshot {table.name}` reads it anew"
        )
    refuse_new_build(table.name, ops.runs_under_way(pipeline.name))
    names = [sink.name for sink in pipeline.sinks]
    rows = SourceKeys(connections.get(pipeline.source.connection), table, Scope()).check()
    estimate = rows * len(names)  # each sink is filled by a reading of its own
    for sink in pipeline.sinks:
        known = ops.parked_table(pipeline.name, table.name, sink.name)
        if known is None or known.released:
            park_table(pipeline, table, [sink.name], RESYNCED, ops)
    return ops.begin_run(pipeline.name, table.name, RunKind.RESYNC, {}, names, estimate=estimate)


def carry_out(
    pipeline: Pipeline, ops: OpsStore, runs: Sequence[BoundedRun], launch: Launch, say: Say
) -> list[BoundedRun]:
    """Have the streams' own jobs do these runs, one application for each stream, and say how far they are.

    Raises:
        DataError: a sink could not hold some rows.
        CdcError: a run failed; it can be run again, and goes on where it was.
    """
    by_stream: dict[str, list[BoundedRun]] = {}
    for run in runs:
        if run.kind is RunKind.REPLAY and not run.estimate:
            # A day without an event is no work for an application.
            ops.end_run(run.id)
            continue
        by_stream.setdefault(pipeline.table(run.table).stream, []).append(run)
    for stream, mine in by_stream.items():
        arguments = ("--window", ",".join(str(run.id) for run in mine))
        with recorded(ops, mine, say):
            launch(pipeline.stream(stream), arguments, str(mine[0].kind))
    return [told(ops, run, say) for run in runs]


@contextlib.contextmanager
def recorded(ops: OpsStore, runs: Sequence[BoundedRun], say: Say) -> Iterator[None]:
    """Say how far the runs are while they are done; when they are not done to the end, they have failed."""
    with _watching(ops, runs, say):
        try:
            yield
        except Exception as error:
            for run in runs:
                ops.end_run(run.id, str(error), failed=True)
            raise


def told(ops: OpsStore, run: BoundedRun, say: Say) -> BoundedRun:
    """Say how a run ended.

    Raises:
        DataError: a sink could not hold some rows.
    """
    ended = ops.bounded_run(run.id)
    say(ended.sentence)
    if ended.state != "done":
        ops.end_run(run.id, "its application ended without a word", failed=True)
        raise DataError(
            f"{ended.sentence}: its application ended before its work was done; its log says why. Run it "
            "again, and it goes on where it was"
        )
    if ended.bad:
        raise DataError(
            f"{ended.sentence}: the rows that did not fit are as they were ({ended.message}). Correct them "
            "at the source, or declare the column `as: text`"
        )
    return ended


def failures_of(ops: OpsStore, runs: Sequence[BoundedRun]) -> str:
    """Why those of the runs that have failed did so; empty when none has said it."""
    ended = [ops.bounded_run(run.id) for run in runs]
    return "; ".join(dict.fromkeys(run.message for run in ended if run.state == "failed" and run.message))


def launch_here(pipeline: Pipeline, pipeline_file: Path, settings: Settings) -> Launch:
    """By the stream's job on this machine."""

    def launch(stream: StreamSpec, arguments: Sequence[str], purpose: str) -> None:
        run_here(pipeline, stream, pipeline_file, settings, purpose, arguments)

    return launch


@contextlib.contextmanager
def _watching(ops: OpsStore, runs: Sequence[BoundedRun], say: Say) -> Iterator[None]:
    ended = threading.Event()

    def watch() -> None:
        before = {run.id: run.sentence for run in runs}
        while not ended.wait(WATCH_S):
            for run in runs:
                with contextlib.suppress(CdcError):
                    sentence = ops.bounded_run(run.id).sentence
                    if sentence != before[run.id]:
                        before[run.id] = sentence
                        say(sentence)

    watcher = threading.Thread(target=watch, name="bounded-runs", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _require_stream(pipeline: Pipeline, ops: OpsStore, table: TableSpec) -> None:
    """Debezium's events are written by the table's stream, and by nobody else."""
    desired = ops.desired_state(pipeline.name, table.stream)
    if not desired.wants_driver:
        start = "resume" if desired is Desired.PAUSED else "start"
        raise ConfigurationError(
            f"stream {table.stream} is {desired}, and nobody else would write what Debezium reads of "
            f"{table.name}: `cdc stream {start} {table.stream}` first, or take method {Method.DIRECT}, which "
            "needs no stream"
        )


def _writable(
    pipeline: Pipeline, ops: OpsStore, table: TableSpec, sinks: Sequence[SinkSpec], say: Say
) -> list[SinkSpec]:
    """Those of the sinks in which the table is not parked."""
    parked = {item.sink: item.reason for item in ops.parked(pipeline.name) if item.table == table.name}
    for sink in sinks:
        if sink.name in parked:
            say(f"{table.name} is left out in {sink.name}, where it is parked: {parked[sink.name]}")
    chosen = [sink for sink in sinks if sink.name not in parked]
    if not chosen:
        raise ConfigurationError(
            f"{table.name} is parked in {', '.join(sink.name for sink in sinks)}: mend the cause "
            f"(`cdc table list` says it), then `cdc table resume {table.name}`"
        )
    return chosen
