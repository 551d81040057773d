"""One look at a pipeline's health: sample, then judge. Sensors and triggers call nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from cdc.connections import Connections
from cdc.errors import TransientError
from cdc.model.health import Level, Verdict, evaluate
from cdc.model.samples import ConnectorSample, QuerySample
from cdc.settings import Settings
from cdc.spec import Pipeline, PoliciesSpec
from cdc_airflow.findings import Finding
from cdc_airflow.hooks.cdc import CdcHook, connection_ids
from cdc_airflow.pipelines import find_pipeline


class Kind(StrEnum):
    """What is looked at."""

    CONNECTOR = "connector"
    KEPT_CONNECTOR = "kept_connector"
    SLOT = "slot"
    QUERIES = "queries"
    CHECKPOINTS = "checkpoints"
    WATERMARKS = "watermarks"
    DEAD_LETTERS = "dead_letters"
    FIRST_PROGRESS = "first_progress"
    RETENTION = "retention"


@dataclass(frozen=True)
class Check:
    """What to look at; only text, so that it travels to the triggerer as it is."""

    kind: str
    pipeline: str
    stream: str = ""

    @property
    def name(self) -> str:
        """By which the pipeline's incidents are kept."""
        return f"{self.kind} {self.stream}".strip()


@dataclass(frozen=True)
class Driver:
    """A stream's application as YARN reports it; `ended` is empty while it lives."""

    application_id: str
    ended: str = ""


def health_checks(pipeline: Pipeline) -> tuple[Check, ...]:
    """Every check that `cdc_health` makes of a pipeline."""
    whole = (Kind.KEPT_CONNECTOR, Kind.SLOT, Kind.WATERMARKS, Kind.DEAD_LETTERS)
    each = (Kind.QUERIES, Kind.CHECKPOINTS)
    return (
        *(Check(kind, pipeline.name) for kind in whole),
        *(Check(kind, pipeline.name, stream.name) for stream in pipeline.streams for kind in each),
    )


def look(check: Check) -> tuple[Finding, ...]:
    """Sample what the check names, and judge it by the pipeline's policies; blocks for some seconds at most.

    A component that does not answer is a finding (unknown), not an error.

    Raises:
        SpecError, ConfigurationError: the pipeline's file or a connection is wrong.
    """
    pipeline, _ = find_pipeline(check.pipeline)
    connections = CdcHook().connections(connection_ids(pipeline))
    return tuple(_LOOKS[Kind(check.kind)](pipeline, check.stream, connections))


def judge_query(sample: QuerySample, policy: PoliciesSpec) -> Verdict:
    """The library's verdict, and one rule for people who are told by mail. Pure.

    A stream that was stopped on request is a warning for whoever looks. Its readers were promised fresh rows
    all the same: once they are older than the policy allows, those who answer for them hear of it. A pause is
    meant, and alarms nobody.
    """
    if sample.wanted or sample.paused_at is not None or sample.unreachable:
        return evaluate(sample, policy)
    promised = evaluate(replace(sample, wanted=True), policy)
    if promised.level is not Level.BREACH:
        return evaluate(sample, policy)
    sentence = f"{promised.sentence}: its stream was stopped on request"
    todo = (
        "Run the stream's DAG by hand (action ensure); if the stop is meant, pause the stream "
        "(its DAG with action pause, or `cdc stream pause`)."
    )
    return replace(promised, sentence=sentence, todo=todo)


def judge_first_progress(sample: QuerySample, driver: Driver | None) -> Verdict:
    """Whether a query has made progress since its driver was launched. Pure.

    Unlike its health, this does not ask how old or how late that progress is.
    """
    subject = f"query {sample.query}"
    figures = {"launched_at": _text(sample.launched_at), "seen_at": _text(sample.seen_at)}
    if sample.unreachable:
        return Verdict(
            Level.UNKNOWN, subject, f"{subject} could not be checked: {sample.unreachable}", figures
        )
    if sample.launched_at is None:
        todo = "Run the stream's DAG, or `cdc stream start`."
        return Verdict(Level.BREACH, subject, f"{subject} was never launched", figures, todo)
    if sample.seen_at is not None and sample.seen_at >= sample.launched_at:
        return Verdict(Level.OK, subject, f"{subject} has made progress since its launch", figures)
    if driver is not None and driver.ended:
        sentence = f"{subject} made no progress: {driver.application_id} has ended, {driver.ended}"
        todo = "Read the driver's log through YARN's page, mend the cause, and run the stream's DAG again."
        return Verdict(Level.BREACH, subject, sentence, figures, todo, sample.launched_at)
    sentence = f"{subject} has made no progress since its launch at {_text(sample.launched_at)}"
    todo = "See that its sink answers, and read the driver's log through YARN's page."
    return Verdict(Level.WARN, subject, sentence, figures, todo, sample.launched_at)


def _connector(pipeline: Pipeline, _stream: str, connections: Connections) -> Iterator[Finding]:
    from cdc.services.health import sample_connector

    sample: ConnectorSample = sample_connector(pipeline, connections)
    yield Finding(evaluate(sample, pipeline.policies), detail=_traces(sample))


def _traces(sample: ConnectorSample) -> str:
    return "\n".join(f"task {task.id}: {task.trace.strip()}" for task in sample.tasks if task.trace.strip())


def _kept_connector(pipeline: Pipeline, _stream: str, connections: Connections) -> Iterator[Finding]:
    from cdc.services.watching import watch_connector

    sample, verdict = watch_connector(pipeline, connections)
    yield Finding(verdict, detail=_traces(sample))


def _slot(pipeline: Pipeline, _stream: str, connections: Connections) -> Iterator[Finding]:
    from cdc.services.watching import watch_slot

    yield Finding(evaluate(watch_slot(pipeline, connections), pipeline.policies))


def _watermarks(pipeline: Pipeline, _stream: str, connections: Connections) -> Iterator[Finding]:
    from cdc.services.watching import sample_watermarks

    yield Finding(evaluate(sample_watermarks(pipeline, connections), pipeline.policies))


def _dead_letters(pipeline: Pipeline, _stream: str, connections: Connections) -> Iterator[Finding]:
    from cdc.services.watching import sample_dead_letters

    yield Finding(evaluate(sample_dead_letters(pipeline, connections), pipeline.policies))


def _queries(pipeline: Pipeline, stream: str, connections: Connections) -> Iterator[Finding]:
    from cdc.services.health import sample_query

    for sink in pipeline.sinks:
        sample = sample_query(pipeline, pipeline.stream(stream), sink.name, connections)
        yield Finding(judge_query(sample, pipeline.policies))


def _checkpoints(pipeline: Pipeline, stream: str, connections: Connections) -> Iterator[Finding]:
    from cdc.services.health import sample_checkpoint

    root = Settings().checkpoint_root
    for sink in pipeline.sinks:
        sample = sample_checkpoint(pipeline, pipeline.stream(stream), sink.name, connections, root)
        yield Finding(evaluate(sample, pipeline.policies))


def _retention(pipeline: Pipeline, _stream: str, connections: Connections) -> Iterator[Finding]:
    from cdc.model.retention import judge_retention
    from cdc.services.retention import sample_retention

    for sample in sample_retention(pipeline, connections):
        yield Finding(judge_retention(sample, pipeline.policies.maintenance))


def _first_progress(pipeline: Pipeline, stream: str, connections: Connections) -> Iterator[Finding]:
    from cdc.services.health import sample_query

    driver = _driver(pipeline, stream, connections)
    for sink in pipeline.sinks:
        sample = sample_query(pipeline, pipeline.stream(stream), sink.name, connections)
        yield Finding(judge_first_progress(sample, driver))


def _driver(pipeline: Pipeline, stream: str, connections: Connections) -> Driver | None:
    """The application that was launched last; None when that cannot be said now."""
    from cdc.ops import OpsStore
    from cdc.services.reach import yarn_of

    try:
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            launch = ops.launch(pipeline.name, stream)
        if launch is None or launch.application_id is None:
            return None
        found = yarn_of(connections).application(launch.application_id)
    except TransientError:
        return None
    if found is None:
        return Driver(launch.application_id, "and YARN has forgotten it")
    if found.live:
        return Driver(found.id)
    if launch.failure:
        # A driver that gives up ends as YARN has it end, or it would be started again.
        return Driver(found.id, f"it gave up: {launch.failure}")
    return Driver(found.id, f"{found.final_status}: {found.diagnostics or 'no diagnostics'}")


def _text(at: datetime | None) -> str | None:
    return f"{at:%Y-%m-%d %H:%M:%S %Z}" if at else None


_LOOKS: Mapping[Kind, Callable[[Pipeline, str, Connections], Iterator[Finding]]] = {
    Kind.CONNECTOR: _connector,
    Kind.KEPT_CONNECTOR: _kept_connector,
    Kind.SLOT: _slot,
    Kind.QUERIES: _queries,
    Kind.CHECKPOINTS: _checkpoints,
    Kind.WATERMARKS: _watermarks,
    Kind.DEAD_LETTERS: _dead_letters,
    Kind.FIRST_PROGRESS: _first_progress,
    Kind.RETENTION: _retention,
}
