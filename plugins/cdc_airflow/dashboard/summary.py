"""One row of the first page, from the facts of one pipeline. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cdc.model.lag import Lag, QueryView, WalPoint, capture_lag, duration, lag_of, pipeline_lag
from cdc.model.overview import Dot, PipelineSamples, Stage, dots, headline
from cdc.model.watermark import Watermark
from cdc.services.overview import OpsFacts, query_views
from cdc.spec import Pipeline
from cdc_airflow.dashboard.charts import SPARK_HEIGHT, SPARK_WIDTH, Axis, Chart, draw, fill
from cdc_airflow.dashboard.facts import PipelineFacts
from cdc_airflow.dashboard.figures import (
    LIVE_S,
    UNKNOWN,
    Figure,
    age_figure,
    count_figure,
    figure,
    moment_text,
    seconds_figure,
)


@dataclass(frozen=True)
class Summary:
    """A pipeline at a glance.

    Attributes:
        worst: the dot that is named in words.
        lag: end to end; the slowest query, or capture.
        rows_in: events read from the topics in the window, by the sink that read most.
        rows_out: rows written in the window, by sink.
        watermark: the earliest of its tables' proofs.
        unproven: how many tables (each in each sink) have no proof now.
        reconciled: the earliest of its tables' last comparisons.
        unequal: tables whose last comparison found a difference.
        paused: streams that a person has paused; they are left out of the lag.
        open_incidents: how many incidents go on.
        capture_s: how far capture is behind the source's log, at least.
    """

    pipeline: Pipeline
    now: datetime
    dots: tuple[Dot, ...]
    worst: Dot
    lag: Figure
    lag_chart: Chart
    rows_in: Figure
    rows_out: tuple[tuple[str, Figure], ...]
    last_batch: Figure
    watermark: Figure
    unproven: int
    reconciled: Figure
    unequal: tuple[str, ...]
    paused: tuple[str, ...]
    open_incidents: int
    queries: tuple[QueryView, ...]
    capture_s: float | None


def summarise(facts: PipelineFacts) -> Summary:
    """Judge the facts, and put them into words."""
    pipeline, now, ops = facts.pipeline, facts.now, facts.ops
    queries = views_of(facts)
    found = dots(samples_of(facts, queries), pipeline.policies, now, LIVE_S)
    looks = recent(facts.wal, now)
    capture = capture_lag(looks)
    lag, lag_at = _lag(queries, capture, facts)
    rows_in, rows_out = _rows(facts)
    newest = max((q.last.finished_at for q in queries if q.last is not None), default=None)
    watermark, unproven = _watermark(ops.value, facts)
    reconciled, unequal = _reconciled(ops.value, facts)
    return Summary(
        pipeline=pipeline,
        now=now,
        dots=found,
        worst=headline(found),
        lag=seconds_figure(lag, lag_at, now, max(LIVE_S, pipeline.policies.max_progress_age_s)),
        lag_chart=lag_chart(facts, lag),
        rows_in=rows_in,
        rows_out=rows_out,
        last_batch=age_figure(newest, ops.at, now),
        watermark=watermark,
        unproven=unproven,
        reconciled=reconciled,
        unequal=unequal,
        paused=tuple(dict.fromkeys(q.stream for q in queries if q.sample.paused_at is not None)),
        open_incidents=len(ops.value.incidents) if ops.value else 0,
        queries=tuple(queries),
        capture_s=capture,
    )


def views_of(facts: PipelineFacts) -> list[QueryView]:
    """The queries; none while the ops store has never answered."""
    if facts.ops.value is None or facts.ops.at is None:
        return []
    return query_views(facts.pipeline, facts.ops.value, facts.ends.value, facts.ops.at)


def samples_of(facts: PipelineFacts, queries: Sequence[QueryView]) -> PipelineSamples:
    """What the dots are judged by."""
    late = {
        Stage.SLOT: facts.slot.problem,
        Stage.CONNECTOR: facts.connector.problem,
        Stage.TOPIC: facts.ends.problem,
        Stage.QUERY: facts.ops.problem,
        Stage.SINK: "; ".join(r.problem for r in facts.sinks.values() if r.problem),
    }
    letters: dict[str, int] = {}
    for item in facts.ops.value.letters if facts.ops.value else ():
        letters[item.sink] = letters.get(item.sink, 0) + item.open
    return PipelineSamples(
        slot=facts.slot.value,
        connector=facts.connector.value,
        queries=queries,
        sinks=[reading.value for reading in facts.sinks.values() if reading.value is not None],
        wal=recent(facts.wal, facts.now),
        late=late,
        ops_problem=facts.ops.problem,
        kafka_problem=facts.ends.problem,
        kafka_at=facts.ends.at,
        ops_at=facts.ops.at,
        dead_letters=letters,
    )


def recent(points: Sequence[WalPoint], now: datetime) -> tuple[WalPoint, ...]:
    """The looks at the log, unless the newest is old: a slot that is not seen says nothing about capture."""
    if not points or (now - points[-1].at).total_seconds() > LIVE_S:
        return ()
    return tuple(points)


def lag_chart(facts: PipelineFacts, lag_now: float | None, **size: float) -> Chart:
    """The end-to-end lag over time: of batches, and as it was shown between them."""
    past = facts.past.value
    if past is None:
        return draw("lag", [], Axis(facts.now, facts.now), duration)
    axis = Axis(past.since, past.until)
    step = timedelta(seconds=past.bucket_s)
    largest: dict[datetime, float] = {}
    shown = [*facts.lags, *([(facts.now, lag_now)] if lag_now is not None else [])]
    measured = [(bucket.at, bucket.lag_s) for bucket in past.buckets]
    for at, seconds in (*measured, *shown):
        begin = past.since + (at - past.since) // step * step
        largest[begin] = max(largest.get(begin, 0.0), seconds)
    points = fill(sorted(largest.items()), axis, past.bucket_s, None)
    return draw(
        "end-to-end lag",
        [("lag", points)],
        axis,
        duration,
        width=size.get("width", SPARK_WIDTH),
        height=size.get("height", SPARK_HEIGHT),
        limit=float(facts.pipeline.policies.max_progress_age_s),
    )


def _lag(
    queries: Sequence[QueryView], capture: float | None, facts: PipelineFacts
) -> tuple[float | None, datetime | None]:
    # What waits for a paused stream is meant to; it is told beside its query.
    awake = [query for query in queries if query.sample.paused_at is None]
    lags: list[Lag] = [lag for query in awake if (lag := lag_of(query, facts.now)) is not None]
    if facts.ops.at is None:
        return None, None
    slowest = max(lags, key=lambda lag: lag.seconds, default=None)
    seconds = pipeline_lag(lags, capture)
    at = slowest.at if slowest is not None else facts.ops.at
    # Judged with facts that are old themselves, it is as old as they are.
    return seconds, min(at, facts.ops.at)


def _rows(facts: PipelineFacts) -> tuple[Figure, tuple[tuple[str, Figure], ...]]:
    past, now = facts.past.value, facts.now
    if past is None:
        return UNKNOWN, tuple((sink.name, UNKNOWN) for sink in facts.pipeline.sinks)
    read: dict[str, int] = {}
    wrote: dict[str, int] = {}
    for bucket in past.buckets:
        read[bucket.sink] = read.get(bucket.sink, 0) + bucket.input_rows
        wrote[bucket.sink] = wrote.get(bucket.sink, 0) + bucket.inserted + bucket.updated + bucket.deleted
    limit = LIVE_S + 2 * past.bucket_s
    out = ((s.name, count_figure(wrote.get(s.name, 0), past.until, now, limit)) for s in facts.pipeline.sinks)
    return count_figure(max(read.values(), default=0), past.until, now, limit), tuple(out)


def _watermark(ops: OpsFacts | None, facts: PipelineFacts) -> tuple[Figure, int]:
    wanted = {(t.name, s.name) for t in facts.pipeline.tables for s in facts.pipeline.sinks}
    if ops is None:
        return UNKNOWN, len(wanted)
    known: dict[tuple[str, str], Watermark] = {(w.table, w.sink): w for w in ops.watermarks}
    proven = [known[place] for place in wanted if place in known and known[place].holds]
    times = [w.complete_until for w in proven if w.complete_until is not None]
    unproven = len(wanted) - len(times)
    if not times:
        return UNKNOWN, unproven
    at = min((w.proven_at for w in proven if w.proven_at is not None), default=None)
    # The proofs come by a schedule of minutes; one that is hours old is no news.
    return figure(min(times).timestamp(), moment_text(min(times), facts.now), at, facts.now, 1800), unproven


def _reconciled(ops: OpsFacts | None, facts: PipelineFacts) -> tuple[Figure, tuple[str, ...]]:
    tables = {table.name for table in facts.pipeline.tables}
    found = [r for r in (ops.reconciled if ops else ()) if r.table in tables]
    if not found:
        return Figure("never", None, facts.ops.at, facts.ops.at is None), ()
    oldest = min(found, key=lambda r: r.finished_at)
    unequal = tuple(sorted(r.table for r in found if not r.equal))
    age = (facts.now - oldest.finished_at).total_seconds()
    return Figure(f"{duration(age)} ago", oldest.finished_at.timestamp(), facts.ops.at, False), unequal
