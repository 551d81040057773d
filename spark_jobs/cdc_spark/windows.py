"""Backfills, replays and resyncs by the stream's own job: piece after piece, each told in the ops store.

A piece that is written again writes the same, so a run that was broken off goes on behind its last piece.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import pyarrow as pa
import structlog

from cdc.errors import CdcError, ConfigurationError, UnavailableError
from cdc.model.bounded_run import BoundedRun, RunKind, Scope, offsets_of, slices
from cdc.model.bounds import Bounds
from cdc.ops import OpsStore
from cdc.services.effective import effective_pipeline
from cdc.services.fences import Fences
from cdc.services.key_places import KeyPlaces
from cdc.services.source_keys import PAGE, SourceKeys
from cdc.spec import TableSpec
from cdc_spark.batch import BatchProcessor
from cdc_spark.bounded import context_of, reread_into
from cdc_spark.failures import cause_of
from cdc_spark.job_run import JobRun
from cdc_spark.readers.generations import checked_generations
from cdc_spark.rebuild import rebuild
from cdc_spark.transformations.repair import KEYS

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Told:
    """Rows of a new build, told as they are read; it is handed to the process that reads them."""

    ops: OpsStore
    run: UUID
    sink: str
    before: int

    def __call__(self, rows: int) -> None:
        """So many rows were read so far for this sink."""
        # A build goes on when nobody can be told of it.
        with contextlib.suppress(UnavailableError):
            self.ops.advance_run(self.run, self.before + rows, {"sink": self.sink})
        self.ops.close()


def carry_out(run: JobRun, numbers: Sequence[UUID], page: int = PAGE) -> int:
    """Do runs that somebody has left in the ops store; each may be broken off and done again.

    Args:
        run: the stream, with every sink.
        numbers: what to do, in this order.
        page: rows of a backfill that are read and written at a time.

    Raises:
        CdcError: one cannot be done; the others before it are.
    """
    for number in numbers:
        asked = run.ops.bounded_run(number)
        declared = next((table for table in run.stream.tables if table.name == asked.table), None)
        if declared is None:
            raise ConfigurationError(
                f"run {number} is about {asked.table}, which stream {run.stream.name} has not"
            )
        try:
            _carry_out(run, declared, asked, page)
        except Exception as error:
            # Whoever asked sees no more of this application than how it has ended.
            if (cause := error if isinstance(error, CdcError) else cause_of(str(error))) is not None:
                with contextlib.suppress(UnavailableError):
                    run.ops.end_run(number, str(cause), failed=True)
            raise
        log.info("run ended", run=str(number), **_figures(run.ops.bounded_run(number)))
    return 0


def _carry_out(run: JobRun, table: TableSpec, asked: BoundedRun, page: int) -> None:
    if asked.kind is RunKind.RESYNC:
        _resync(run, table, asked)
        return
    sinks = tuple(sink for sink in run.pipeline.sinks if sink.name in asked.sinks)
    alone = replace(run, stream=run.stream.model_copy(update={"tables": (table,)}), sinks=sinks)
    if asked.kind is RunKind.BACKFILL:
        _backfill(alone, table, asked, page)
    else:
        _replay(alone, table, asked)


def _backfill(run: JobRun, table: TableSpec, asked: BoundedRun, size: int) -> None:
    table = effective_pipeline(run.pipeline, run.ops).table(table.name)
    source = run.connections.get(run.pipeline.source.connection)
    keys = SourceKeys(source, table, Scope.from_document(asked.window))
    keys.check()
    fences = Fences(run.pipeline, run.connections, run.ops, table)
    places = KeyPlaces(run.connections, table, fences)
    generations = checked_generations((fences.topic,), run.kafka, run.ops)
    processors = {
        s.name: BatchProcessor(context_of(run, s, generations), run.job, run.ops) for s in run.sinks
    }
    done, examples = asked.done, list[str]()
    for page in keys.pages(tuple(asked.position.get("after", ())), size):
        placed = [{"key": key, "partition": partition} for key, partition in places.placed(page.keys)]
        frame = run.spark.createDataFrame(pa.Table.from_pylist(placed, KEYS)).coalesce(1)
        bad = 0
        for sink, processor in processors.items():
            summary = processor.repair(table, frame)
            bad += summary.bad
            examples += summary.examples
            log.info("rows written", sink=sink, table=table.name, asked=summary.events, bad=summary.bad)
        done += len(page.keys)
        run.ops.advance_run(asked.id, done, {"after": list(page.last)}, bad=bad)
    run.ops.end_run(asked.id, "; ".join(dict.fromkeys(examples)))


def _replay(run: JobRun, table: TableSpec, asked: BoundedRun) -> None:
    topic, done = run.pipeline.topic(table), asked.done
    until = offsets_of(asked.position["until"])
    generations = checked_generations((topic,), run.kafka, run.ops)
    most, examples = run.pipeline.streaming.max_offsets_per_trigger, list[str]()
    for begin, end in slices(offsets_of(asked.position["since"]), until, most):
        since, last, bad = Bounds(offsets={topic: begin}), Bounds(offsets={topic: end}), 0
        for sink in run.sinks:
            for summary in reread_into(run, sink, generations, since, last).values():
                bad += summary.bad
                examples += summary.examples
        done += sum(end[p] - offset for p, offset in begin.items())
        run.ops.advance_run(asked.id, done, {"since": end, "until": until}, bad=bad)
    run.ops.end_run(asked.id, "; ".join(dict.fromkeys(examples)))


def _resync(run: JobRun, table: TableSpec, asked: BoundedRun) -> None:
    def told(sink: str, before: int) -> Told:
        return Told(run.ops, asked.id, sink, before)

    run.ops.advance_run(asked.id, 0, {})
    rebuild(run, table, told=told)
    run.ops.end_run(asked.id)


def _figures(run: BoundedRun) -> dict[str, object]:
    return {"table": run.table, "state": run.state, "done": run.done, "bad": run.bad}
