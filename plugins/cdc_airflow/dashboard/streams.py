"""The streams of a pipeline: what their drivers and queries do, as they are now and over time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cdc.clients.yarn import Application
from cdc.model.desired import Desired
from cdc.model.health import Level, evaluate
from cdc.model.lag import QueryView, duration, lag_of
from cdc.ops import Launch
from cdc.ops.overview import Bucket
from cdc.services.overview import PastFacts
from cdc_airflow.dashboard.charts import Axis, Chart, draw, fill
from cdc_airflow.dashboard.facts import PipelineFacts
from cdc_airflow.dashboard.figures import (
    Figure,
    count_figure,
    figure,
    rate_figure,
    rate_text,
    seconds_figure,
)
from cdc_airflow.dashboard.summary import Summary


@dataclass(frozen=True)
class QueryCard:
    """One query of a stream, as it is now.

    Attributes:
        meant: it does not run, and a person wants it so.
    """

    sink: str
    level: Level
    meant: bool
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
        paused_at: since when it has been paused; None when it is not.
        failure: why its last driver gave up; empty when it did not, or another one was launched since.
        spark_ui, yarn_page: addresses; empty where there is none.
    """

    name: str
    tables: tuple[str, ...]
    state: str
    paused_at: datetime | None
    failure: str
    application_id: str
    spark_ui: str
    yarn_page: str
    queries: tuple[QueryCard, ...]
    charts: tuple[Chart, ...]


def stream_cards(
    facts: PipelineFacts, summary: Summary, past: PastFacts, axis: Axis, yarn_url: str
) -> tuple[StreamCard, ...]:
    """The streams of the pipeline, in its order.

    Args:
        facts: of the pipeline.
        summary: what was judged from them.
        past: the window's batches.
        axis: the page's stretch of time.
        yarn_url: the ResourceManager's page; empty when it is not known.
    """
    return tuple(_stream(s.name, facts, summary, past, axis, yarn_url) for s in facts.pipeline.streams)


def _stream(
    name: str, facts: PipelineFacts, summary: Summary, past: PastFacts, axis: Axis, yarn_url: str
) -> StreamCard:
    application = (facts.applications.value or {}).get(name)
    launch = facts.ops.value.launches.get(name) if facts.ops.value else None
    known = application.id if application else (launch.application_id or "" if launch else "")
    paused = launch is not None and launch.desired == Desired.PAUSED
    state = _state(application, facts)
    if paused and application is not None:
        state = f"{state}, a pause was requested"
    if launch is not None and launch.desired == Desired.STOPPED:
        state = f"{state}, a stop was requested"
    return StreamCard(
        name=name,
        tables=tuple(table.name for table in facts.pipeline.stream(name).tables),
        state=state,
        paused_at=launch.desired_at if launch is not None and paused else None,
        failure=_failure(launch) if launch is not None else "",
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


def _failure(launch: Launch) -> str:
    since = launch.launched_at
    if launch.failure is None or (launch.failed_at and since and launch.failed_at < since):
        return ""
    return launch.failure


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
        meant=verdict.meant,
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
