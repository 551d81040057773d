"""What a glance at a pipeline says: five stages from the slot to the sinks, each with a level and a sentence.

Nothing here trusts a state that a component reports of itself. A connector or a query that runs and is behind
is judged by how far it is behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from cdc.model.health import Level, Verdict, evaluate, worst
from cdc.model.lag import QueryView, WalPoint, capture_lag, duration, is_stale, lag_of
from cdc.model.samples import ConnectorSample, SlotSample
from cdc.spec.sections import PoliciesSpec

MB = 2**20


class Stage(StrEnum):
    """Where a change passes on its way, in this order."""

    SLOT = "slot"
    CONNECTOR = "connector"
    TOPIC = "topic backlog"
    QUERY = "query"
    SINK = "sink"


@dataclass(frozen=True)
class Dot:
    """One stage at one moment.

    Attributes:
        at: when it was looked at; None when it never was.
        stale: the look is too old to be believed, so that `level` is at least a warning.
        meant: nothing is the matter but what a person wants so, such as a pause.
    """

    stage: Stage
    level: Level
    sentence: str
    todo: str = ""
    at: datetime | None = None
    stale: bool = False
    meant: bool = False


@dataclass(frozen=True)
class SinkSample:
    """Whether a sink answers, and what it could not take."""

    sink: str
    at: datetime
    unreachable: str = ""


@dataclass(frozen=True)
class PipelineSamples:
    """Everything that the five dots are judged by.

    Attributes:
        late: by stage, why the last look brought nothing; the sample is then an older one.
        ops_problem: why the ops store could not be read; empty when it could.
        kafka_problem: the same of Kafka's end offsets.
        kafka_at, ops_at: when they were read.
        dead_letters: how many are open, by sink.
    """

    slot: SlotSample | None
    connector: ConnectorSample | None
    queries: Sequence[QueryView]
    sinks: Sequence[SinkSample]
    wal: Sequence[WalPoint] = ()
    late: Mapping[Stage, str] = field(default_factory=dict)
    ops_problem: str = ""
    kafka_problem: str = ""
    kafka_at: datetime | None = None
    ops_at: datetime | None = None
    dead_letters: Mapping[str, int] = field(default_factory=dict)


def dots(samples: PipelineSamples, policy: PoliciesSpec, now: datetime, stale_s: float) -> tuple[Dot, ...]:
    """The five dots, in order."""
    slot, connector, sinks = samples.slot, samples.connector, samples.sinks
    looks: tuple[tuple[Stage, Sequence[Verdict], datetime | None], ...] = (
        (Stage.SLOT, [_slot(samples, policy)], slot.at if slot else None),
        (
            Stage.CONNECTOR,
            [_connector(samples, policy), *_capture(samples, policy)],
            connector.at if connector else None,
        ),
        (Stage.TOPIC, _topics(samples, policy, now), samples.kafka_at),
        (Stage.QUERY, _queries(samples, policy), samples.ops_at),
        (Stage.SINK, _sinks(samples), min((sink.at for sink in sinks), default=None)),
    )
    return tuple(
        _dot(stage, verdicts, at, samples.late.get(stage, ""), now, stale_s) for stage, verdicts, at in looks
    )


def headline(found: Iterable[Dot]) -> Dot:
    """The worst dot, and of equals the one nearest to the source, which explains the others."""
    order = (Level.BREACH, Level.UNKNOWN, Level.WARN, Level.OK)
    return min(found, key=lambda dot: (order.index(dot.level), dot.meant))


def _dot(
    stage: Stage,
    verdicts: Sequence[Verdict],
    at: datetime | None,
    late: str,
    now: datetime,
    stale_s: float,
) -> Dot:
    bad = [v for v in verdicts if v.level is not Level.OK]
    first = worst(tuple(verdicts))
    if first is None:
        return Dot(stage, Level.UNKNOWN, f"{stage}: nothing was looked at yet", at=at, stale=True)
    sentence = first.sentence if len(bad) < 2 else f"{first.sentence} (and {len(bad) - 1} more)"
    dot = Dot(stage, first.level, sentence, first.todo, at, meant=first.meant)
    if not is_stale(at, now, stale_s):
        return dot
    if at is None:
        return replace(dot, stale=True)
    why = late or "it was not looked at since"
    level = Level.UNKNOWN if dot.level in (Level.OK, Level.WARN) else dot.level
    said = f"{sentence} {duration((now - at).total_seconds())} ago; {why}"
    return replace(dot, level=level, sentence=said, stale=True, meant=False)


def _slot(samples: PipelineSamples, policy: PoliciesSpec) -> Verdict:
    if samples.slot is None:
        return _not_asked("replication slot", samples.late.get(Stage.SLOT))
    return evaluate(samples.slot, policy)


def _connector(samples: PipelineSamples, policy: PoliciesSpec) -> Verdict:
    if samples.connector is None:
        return _not_asked("connector", samples.late.get(Stage.CONNECTOR))
    return evaluate(samples.connector, policy)


def _capture(samples: PipelineSamples, policy: PoliciesSpec) -> list[Verdict]:
    """A connector that says RUNNING and confirms nothing."""
    if not samples.wal or samples.connector is None or samples.connector.state is None:
        return []
    seconds = capture_lag(samples.wal)
    limit = policy.max_progress_age_s
    if seconds is None or seconds <= limit:
        return []
    missing = (samples.wal[-1].written - samples.wal[-1].confirmed) / MB
    said = (
        f"capture is at least {duration(seconds)} behind the source: {missing:,.1f} MB of its log are not "
        f"confirmed (limit {limit} s)"
    )
    todo = "Read Connect's log; a long transaction or a snapshot at the source holds capture back as well."
    return [Verdict(Level.BREACH, samples.connector.connector, said, {"capture_lag_s": seconds}, todo)]


def _topics(samples: PipelineSamples, policy: PoliciesSpec, now: datetime) -> list[Verdict]:
    if samples.kafka_problem and samples.kafka_at is None:
        return [_not_asked("topic backlog", samples.kafka_problem)]
    return [_topic(query, policy, now) for query in samples.queries if query.backlog is not None]


def _topic(query: QueryView, policy: PoliciesSpec, now: datetime) -> Verdict:
    backlog = query.backlog or 0
    lag = lag_of(query, now)
    seconds = lag.seconds if lag is not None and lag.behind else 0.0
    place = f"{query.stream} → {query.sink}"
    figures: dict[str, int | float | str | None] = {"backlog": backlog, "lag_s": round(seconds, 1)}
    todo = "Wait if it is catching up; else see its query, or give the stream more executors."
    limit = policy.max_progress_age_s
    if query.sample.paused_at is not None:
        said = f"{place}: {backlog:,} events wait in its topics while its stream is paused"
        level = Level.WARN if backlog else Level.OK
        return Verdict(level, place, said, figures, "Resume it when it is time.", meant=bool(backlog))
    late = f", the oldest up to {duration(seconds)}" if seconds else ""
    said = f"{place}: {backlog:,} events wait in its topics{late}"
    if backlog > policy.max_offsets_behind:
        return Verdict(Level.BREACH, place, f"{said} (limit {policy.max_offsets_behind:,})", figures, todo)
    if seconds > limit:
        return Verdict(Level.BREACH, place, f"{said} (limit {limit} s)", figures, todo)
    if seconds > limit / 2:
        return Verdict(Level.WARN, place, said, figures, todo)
    return Verdict(Level.OK, place, said if backlog else f"{place}: nothing waits in its topics", figures)


def _queries(samples: PipelineSamples, policy: PoliciesSpec) -> list[Verdict]:
    if samples.ops_problem and samples.ops_at is None:
        return [_not_asked("queries", samples.ops_problem)]
    return [evaluate(query.sample, policy) for query in samples.queries]


def _sinks(samples: PipelineSamples) -> list[Verdict]:
    return [_sink(sample, samples.dead_letters.get(sample.sink, 0)) for sample in samples.sinks]


def _sink(sample: SinkSample, dead_letters: int) -> Verdict:
    subject = f"sink {sample.sink}"
    if sample.unreachable:
        todo = "See that the server runs; its queries wait for it and go on by themselves."
        return Verdict(Level.BREACH, subject, f"{subject} does not answer: {sample.unreachable}", todo=todo)
    if dead_letters:
        todo = "`cdc dead-letters list` shows why; mend the cause, then run DAG cdc_dead_letter_replay."
        said = f"{subject} answers; {dead_letters:,} event(s) could not be written and wait as dead letters"
        return Verdict(Level.WARN, subject, said, {"dead_letters": dead_letters}, todo)
    return Verdict(Level.OK, subject, f"{subject} answers")


def _not_asked(what: str, why: str | None) -> Verdict:
    todo = "See that the service runs; it is asked again by itself."
    return Verdict(Level.UNKNOWN, what, f"{what} could not be checked: {why or 'no answer yet'}", todo=todo)
