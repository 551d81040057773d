"""The page of one pipeline: streams, tables, slot, watermarks, and what is wrong. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cdc.clients.yarn import Application
from cdc.model.health import Level, evaluate
from cdc.model.lag import QueryView, duration, growth, lag_of, seconds_to_invalidation
from cdc.model.watermark import lsn_text
from cdc.ops.overview import Bucket, OpenLetters, Parked
from cdc.services.overview import PastFacts
from cdc_airflow.dashboard.charts import Axis, Chart, draw, fill
from cdc_airflow.dashboard.events import Mark, marks_of
from cdc_airflow.dashboard.facts import PipelineFacts
from cdc_airflow.dashboard.figures import (
    Figure,
    bytes_figure,
    bytes_text,
    count_figure,
    figure,
    rate_figure,
    rate_text,
    seconds_figure,
)
from cdc_airflow.dashboard.summary import Summary, lag_chart, recent, summarise


@dataclass(frozen=True)
class QueryCard:
    """One query of a stream, as it is now."""

    sink: str
    level: Level
    sentence: str
    backlog: Figure
    lag: Figure
    before_batch: Figure
    in_batch: Figure
    input_rate: Figure
    latency: Figure
    checkpoint: Figure
    error_rate: Figure
    seen: Figure


@dataclass(frozen=True)
class StreamCard:
    """One Spark application.

    Attributes:
        state: what YARN says of it, and what was asked for.
        spark_ui, yarn_page: addresses; empty where there is none.
    """

    name: str
    tables: tuple[str, ...]
    state: str
    application_id: str
    spark_ui: str
    yarn_page: str
    queries: tuple[QueryCard, ...]
    charts: tuple[Chart, ...]


@dataclass(frozen=True)
class TableRow:
    """One table in one sink, over the window; the proof is the last one."""

    table: str
    sink: str
    inserted: Figure
    updated: Figure
    deleted: Figure
    dead_letters: Figure
    batches: Figure
    last_at: datetime | None
    complete_until: datetime | None
    lsn: str
    proven_at: datetime | None
    doubt: str


@dataclass(frozen=True)
class Detail:
    """Everything about one pipeline."""

    summary: Summary
    axis: Axis
    bucket_s: int
    lag: Chart
    marks: tuple[Mark, ...]
    streams: tuple[StreamCard, ...]
    tables: tuple[TableRow, ...]
    slot: tuple[tuple[str, Figure], ...]
    parked: tuple[Parked, ...]
    letters: tuple[OpenLetters, ...]
    problems: tuple[str, ...]


def describe(facts: PipelineFacts, yarn_url: str) -> Detail:
    """Put the facts of one pipeline into words and lines.

    Args:
        facts: with tables and events.
        yarn_url: the ResourceManager's page; empty when it is not known.
    """
    summary = summarise(facts)
    past = facts.past.value or PastFacts(facts.now - timedelta(hours=1), facts.now, 60, (), (), ())
    axis = Axis(past.since, past.until)
    ops = facts.ops.value
    return Detail(
        summary=summary,
        axis=axis,
        bucket_s=past.bucket_s,
        lag=lag_chart(facts, summary.lag.value if isinstance(summary.lag.value, float) else None,
                      width=600.0, height=70.0),
        marks=marks_of(past.events, facts.runs.value or (), axis),
        streams=tuple(_stream(s.name, facts, summary, past, axis, yarn_url) for s in facts.pipeline.streams),
        tables=tuple(_tables(facts, past)),
        slot=_slot(facts, summary),
        parked=tuple(ops.parked) if ops else (),
        letters=tuple(ops.letters) if ops else (),
        problems=tuple(_problems(facts)),
    )  # fmt: skip


def _problems(facts: PipelineFacts) -> list[str]:
    named = {
        "the ops store": facts.ops.problem,
        "its history": facts.past.problem,
        "Kafka": facts.ends.problem,
        "YARN": facts.applications.problem,
        "Airflow's runs": facts.runs.problem,
        "the source": facts.slot.problem,
        "Kafka Connect": facts.connector.problem,
        **{f"sink {name}": reading.problem for name, reading in facts.sinks.items()},
    }
    return [f"{name}: {problem}" for name, problem in named.items() if problem]


def _stream(
    name: str, facts: PipelineFacts, summary: Summary, past: PastFacts, axis: Axis, yarn_url: str
) -> StreamCard:
    application = (facts.applications.value or {}).get(name)
    launch = facts.ops.value.launches.get(name) if facts.ops.value else None
    known = application.id if application else (launch.application_id or "" if launch else "")
    state = _state(application, facts)
    if launch is not None and launch.desired == "paused":
        state = "paused" if application is None else f"{state}, a pause was requested"
    if launch is not None and launch.desired == "stopped":
        state = f"{state}, a stop was requested"
    return StreamCard(
        name=name,
        tables=tuple(table.name for table in facts.pipeline.stream(name).tables),
        state=state,
        application_id=known,
        spark_ui=_web(application.tracking_url) if application else "",
        yarn_page=f"{yarn_url}/cluster/app/{known}" if known and _web(yarn_url) else "",
        queries=tuple(_query(query, facts) for query in summary.queries if query.stream == name),
        charts=_charts([bucket for bucket in past.buckets if bucket.stream == name], facts, past, axis),
    )


def _state(application: Application | None, facts: PipelineFacts) -> str:
    if application is not None:
        return f"{application.id} is {application.state}"
    return "YARN does not answer" if facts.applications.problem else "no driver on YARN"


def _web(address: str) -> str:
    """What came from elsewhere becomes a link only when it is an address of the web."""
    return address if address.startswith(("http://", "https://")) else ""


def _query(query: QueryView, facts: PipelineFacts) -> QueryCard:
    policy, now = facts.pipeline.policies, facts.now
    verdict = evaluate(query.sample, policy)
    lag = lag_of(query, now)
    batch = facts.ops.value.batches.get(query.sample.query) if facts.ops.value else None
    at, limit = (batch.finished_at if batch else None), float(policy.max_progress_age_s)
    live = max(at, query.seen_at) if at and query.seen_at else at
    rate = None if batch is None else batch.error_rate * 100
    return QueryCard(
        sink=query.sink,
        level=verdict.level,
        sentence=verdict.sentence,
        backlog=count_figure(query.backlog, facts.ends.at, now),
        lag=seconds_figure(lag.seconds if lag else None, lag.at if lag else None, now, limit),
        before_batch=seconds_figure(lag.before_batch_s if lag else None, at, now, limit),
        in_batch=seconds_figure(lag.in_batch_s if lag else None, at, now, limit),
        input_rate=rate_figure(batch.input_rate if batch else None, at, now, limit),
        latency=seconds_figure(batch.latency_ms / 1000 if batch else None, at, now, limit),
        checkpoint=seconds_figure(batch.checkpoint_ms / 1000 if batch else None, at, now, limit),
        error_rate=_percent(rate, at, now, limit),
        seen=seconds_figure((now - live).total_seconds() if live else None, facts.ops.at, now),
    )


def _percent(rate: float | None, at: datetime | None, now: datetime, limit: float) -> Figure:
    return figure(rate, "" if rate is None else percent_text(rate), at, now, limit)


def percent_text(rate: float) -> str:
    """`0 %`, `0.25 %`, `12 %`."""
    return f"{rate:.2g} %" if rate < 10 else f"{rate:.0f} %"


def _charts(
    buckets: Sequence[Bucket], facts: PipelineFacts, past: PastFacts, axis: Axis
) -> tuple[Chart, ...]:
    def one(
        title: str, value: Callable[[Bucket], float], words: Callable[[float], str], missing: float | None
    ) -> Chart:
        series = [
            (
                sink.name,
                fill(
                    [(b.at, value(b)) for b in buckets if b.sink == sink.name], axis, past.bucket_s, missing
                ),
            )
            for sink in facts.pipeline.sinks
        ]
        return draw(title, series, axis, words)

    def rate(bucket: Bucket) -> float:
        # The stretch that is not over yet has had less time.
        return bucket.input_rows / min(past.bucket_s, max(1.0, (axis.until - bucket.at).total_seconds()))

    return (
        one("input rate", rate, lambda v: f"{rate_text(v)}/s", 0.0),
        one("processing latency, longest", lambda b: b.latency_ms / 1000, duration, None),
        one("error rate", lambda b: 100 * b.dead_letters / max(1, b.input_rows), percent_text, None),
        one("checkpoint, longest", lambda b: b.checkpoint_ms / 1000, duration, None),
    )


def _tables(facts: PipelineFacts, past: PastFacts) -> list[TableRow]:
    ops, now = facts.ops.value, facts.now
    totals = {(total.table, total.sink): total for total in past.totals}
    proofs = {(w.table, w.sink): w for w in ops.watermarks} if ops else {}
    at, limit = past.until, 30.0 + 2 * past.bucket_s
    rows = []
    for table in facts.pipeline.tables:
        for sink in facts.pipeline.sinks:
            total, proof = totals.get((table.name, sink.name)), proofs.get((table.name, sink.name))
            known = facts.past.value is not None

            def count(name: str, total: object = total, known: bool = known) -> Figure:
                return count_figure(getattr(total, name, 0) if known else None, at, now, limit)

            rows.append(
                TableRow(
                    table.name, sink.name, count("inserted"), count("updated"), count("deleted"),
                    count("dead_letters"), count("batches"),
                    last_at=total.last_at if total else None,
                    complete_until=proof.complete_until if proof else None,
                    lsn=lsn_text(proof.lsn) if proof and proof.lsn is not None else "",
                    proven_at=proof.proven_at if proof else None,
                    doubt=proof.doubt if proof else "not proven yet",
                )
            )  # fmt: skip
    return rows


def _slot(facts: PipelineFacts, summary: Summary) -> tuple[tuple[str, Figure], ...]:
    slot, now = facts.slot.value, facts.now
    if slot is None or not slot.exists or slot.unreachable:
        return ()
    points = recent(facts.wal, now)
    rate = growth(points[-150:])
    unconfirmed = points[-1].written - points[-1].confirmed if points else None
    left = seconds_to_invalidation(slot.safe_bytes, rate)
    return (
        ("in use", figure("yes" if slot.active else "no", "yes" if slot.active else "no", slot.at, now)),
        ("WAL status", figure(slot.wal_status or None, slot.wal_status, slot.at, now)),
        ("retained", bytes_figure(slot.retained_bytes, slot.at, now)),
        ("not confirmed", bytes_figure(unconfirmed, slot.at, now)),
        ("log grows by", figure(rate, "" if rate is None else f"{bytes_text(rate)}/s", slot.at, now)),
        ("safe to grow by", bytes_figure(slot.safe_bytes, slot.at, now)),
        ("until invalidation", seconds_figure(left, slot.at, now)),
        ("capture lag", seconds_figure(summary.capture_s, slot.at, now)),
    )
