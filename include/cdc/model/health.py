"""Health: a sample of one component (`cdc.model.samples`) judged against the pipeline's policies.

Sensors, triggers and `cdc status` call `evaluate`. Health is the age and lag of the last progress, never "it
runs".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import singledispatch

from cdc.model.samples import (
    CheckpointSample,
    ConnectorSample,
    QuerySample,
    Sample,
    SlotSample,
    lag,
)
from cdc.spec.sections import PoliciesSpec

Figure = int | float | str | None


class Level(StrEnum):
    """How bad it is; `unknown` means that the component could not be asked."""

    OK = "ok"
    WARN = "warn"
    BREACH = "breach"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verdict:
    """What a sample means.

    Attributes:
        subject: what was judged, such as `query ecommerce.orders.clickhouse`.
        sentence: what is the matter, with the figures and the limit.
        figures: the same figures by name.
        todo: what a person does next; empty when all is well.
        since: since when it has been so, where that is known.
    """

    level: Level
    subject: str
    sentence: str
    figures: Mapping[str, Figure] = field(default_factory=dict)
    todo: str = ""
    since: datetime | None = None

    @property
    def healthy(self) -> bool:
        """True for ok and warn."""
        return self.level in (Level.OK, Level.WARN)


@singledispatch
def _judge(sample: object, policy: PoliciesSpec) -> Verdict:  # noqa: ARG001 - the rules below use it
    raise TypeError(f"no rule for a {type(sample).__name__}")


def evaluate(sample: Sample, policy: PoliciesSpec) -> Verdict:
    """Judge one sample."""
    return _judge(sample, policy)


def worst(verdicts: tuple[Verdict, ...]) -> Verdict | None:
    """The verdict to speak of first: a breach before what is unknown, before a warning."""
    order = (Level.BREACH, Level.UNKNOWN, Level.WARN, Level.OK)
    return min(verdicts, key=lambda verdict: order.index(verdict.level), default=None)


def _unknown(subject: str, why: str) -> Verdict:
    todo = "See that the service runs (`make status`, its log in the stack's logs folder); it is asked again."
    return Verdict(Level.UNKNOWN, subject, f"{subject} could not be checked: {why}", todo=todo)


def _not_begun(subject: str, said: str, todo: str) -> Verdict:
    # Nothing that ever ran has stopped: a new pipeline is no incident.
    return Verdict(Level.WARN, subject, f"{subject} {said}", todo=todo)


@_judge.register
def _connector(sample: ConnectorSample, policy: PoliciesSpec) -> Verdict:  # noqa: ARG001 - one signature for all
    subject = f"connector {sample.connector}"
    if sample.unreachable:
        return _unknown(subject, sample.unreachable)
    if sample.state is None and not sample.expected:
        return _not_begun(subject, "was never registered", "Run DAG cdc_connectors or `cdc apply`.")
    if sample.state is None:
        return Verdict(
            Level.BREACH,
            subject,
            f"{subject} is not registered on Kafka Connect",
            todo="Run DAG cdc_connectors.",
        )
    running = sum(task.state == "RUNNING" for task in sample.tasks)
    figures: dict[str, Figure] = {"state": sample.state, "tasks": len(sample.tasks), "tasks_running": running}
    failed = next((task for task in sample.tasks if task.state == "FAILED"), None)
    if failed is not None:
        cause = failed.trace.strip().splitlines()[0] if failed.trace.strip() else "no trace"
        sentence = f"{subject}: task {failed.id} has failed: {cause}"
        todo = "Mend the cause named in the trace, then run DAG cdc_connectors, which restarts failed tasks."
        return Verdict(Level.BREACH, subject, sentence, figures, todo)
    if sample.state == "RUNNING" and sample.tasks and running == len(sample.tasks):
        return Verdict(Level.OK, subject, f"{subject} is running with {running} task(s)", figures)
    sentence = f"{subject} is {sample.state} with {running} of {len(sample.tasks)} task(s) running"
    level = Level.WARN if sample.state in ("RUNNING", "UNASSIGNED", "RESTARTING") else Level.BREACH
    return Verdict(
        level, subject, sentence, figures, "Resume it, or run DAG cdc_connectors and read its log."
    )


@_judge.register
def _query(sample: QuerySample, policy: PoliciesSpec) -> Verdict:
    subject = f"query {sample.query}"
    if sample.unreachable:
        return _unknown(subject, sample.unreachable)
    if sample.paused_at is not None:
        todo = "Nothing, as long as that is meant; `cdc stream resume`, or action resume of the stream's DAG."
        said = f"{subject} is paused since {sample.paused_at:%Y-%m-%d %H:%M} UTC"
        return Verdict(Level.WARN, subject, said, todo=todo, since=sample.paused_at)
    if not sample.wanted:
        todo = "Nothing, if that is meant; else run the stream's DAG or `cdc stream start`."
        return Verdict(
            Level.WARN, subject, f"{subject} is stopped on request", todo=todo, since=sample.seen_at
        )
    seen = max((t for t in (sample.seen_at, sample.launched_at) if t is not None), default=None)
    age = None if seen is None else max(0.0, round((sample.at - seen).total_seconds(), 1))
    figures: dict[str, Figure] = {"age_s": age, "offsets_behind": sample.offsets_behind}
    figures |= {"max_age_s": policy.max_progress_age_s, "max_start_s": policy.max_start_s}
    figures |= {"max_offsets_behind": policy.max_offsets_behind}
    restart = "Read the driver's log (`cdc status` names the application), then run the stream's DAG."
    if age is None:
        return _not_begun(subject, "was never launched", "Run the stream's DAG or `cdc stream start`.")
    starting = sample.seen_at is None or (
        sample.launched_at is not None and sample.seen_at < sample.launched_at
    )
    limit = policy.max_start_s if starting else policy.max_progress_age_s
    if age > limit:
        since = "since its launch " if starting else ""
        said = f"{subject} has made no progress {since}for {age:.0f} s (limit {limit} s)"
        return Verdict(Level.BREACH, subject, said, figures, restart, seen)
    behind = sample.offsets_behind or 0
    if behind > policy.max_offsets_behind:
        sentence = f"{subject} is {behind} events behind its topics (limit {policy.max_offsets_behind})"
        todo = (
            "Wait if it is catching up; else give the stream more executors or a larger "
            "max_offsets_per_trigger."
        )
        return Verdict(Level.BREACH, subject, sentence, figures, todo, sample.seen_at)
    if sample.parked:
        sentence = f"{subject} runs, but {', '.join(sample.parked)} is parked there"
        return Verdict(Level.BREACH, subject, sentence, figures, "See `cdc status` for the reason.", None)
    if starting:
        return Verdict(Level.WARN, subject, f"{subject} is starting for {age:.0f} s", figures, since=seen)
    return Verdict(
        Level.OK, subject, f"{subject} made progress {age:.0f} s ago, {behind} events behind", figures
    )


@_judge.register
def _checkpoint(sample: CheckpointSample, policy: PoliciesSpec) -> Verdict:
    subject = f"checkpoint of {sample.query}"
    if sample.unreachable:
        return _unknown(subject, sample.unreachable)
    behind = lag(sample.committed or {}, sample.ends)
    figures: dict[str, Figure] = {"lag": behind, "max_lag": policy.max_checkpoint_lag}
    ahead = _ahead(sample)
    if ahead:
        todo = "The topic was made anew or restored: see `cdc generation raise`."
        return Verdict(Level.BREACH, subject, f"{subject} is ahead of Kafka: {ahead}", figures, todo)
    if sample.paused:
        said = f"{subject} is {behind} offsets behind Kafka; its stream is paused"
        return Verdict(Level.WARN, subject, said, figures, "Resume it before Kafka's retention reaches them.")
    if behind > policy.max_checkpoint_lag:
        sentence = f"{subject} is {behind} offsets behind Kafka (limit {policy.max_checkpoint_lag})"
        todo = "Read the driver's log and the sink's health; it must catch up before Kafka's retention."
        return Verdict(Level.BREACH, subject, sentence, figures, todo, sample.committed_at)
    if sample.committed is None:
        return Verdict(Level.WARN, subject, f"{subject} does not exist yet", figures, "Start the stream.")
    return Verdict(Level.OK, subject, f"{subject} is {behind} offsets behind Kafka", figures)


def _ahead(sample: CheckpointSample) -> str:
    for topic, partitions in (sample.committed or {}).items():
        for partition, offset in partitions.items():
            end = sample.ends.get(topic, {}).get(partition)
            if end is not None and offset > end:
                return f"{topic}[{partition}] committed {offset}, end {end}"
    return ""


@_judge.register
def _slot(sample: SlotSample, policy: PoliciesSpec) -> Verdict:
    subject = f"replication slot {sample.slot}"
    if sample.unreachable:
        return _unknown(subject, sample.unreachable)
    if not sample.exists and not sample.expected:
        return _not_begun(subject, "was never made", "Run DAG cdc_connectors or `cdc apply`.")
    if not sample.exists:
        todo = (
            "Run DAG cdc_connectors; if the slot was dropped, changes since then are lost: snapshot the "
            "tables again."
        )
        return Verdict(Level.BREACH, subject, f"{subject} does not exist at the source", todo=todo)
    retained = round((sample.retained_bytes or 0) / 2**20, 1)
    limit = policy.max_slot_retained_mb
    figures: dict[str, Figure] = {
        "retained_mb": retained,
        "max_retained_mb": limit,
        "wal_status": sample.wal_status,
    }
    if sample.wal_status == "lost":
        sentence = f"{subject} is lost: the source has removed WAL that it needed"
        todo = (
            "Raise max_slot_wal_keep_size, drop the slot, run DAG cdc_connectors and snapshot the tables "
            "again."
        )
        return Verdict(Level.BREACH, subject, sentence, figures, todo, sample.inactive_since)
    if retained > limit:
        sentence = f"{subject} holds back {retained} MB of WAL (limit {limit} MB)"
        todo = "See that the connector runs; a long transaction at the source holds WAL back as well."
        return Verdict(Level.BREACH, subject, sentence, figures, todo, sample.inactive_since)
    if not sample.active:
        todo = "Nothing while the connector restarts; else run DAG cdc_connectors."
        since = sample.inactive_since
        return Verdict(
            Level.WARN, subject, f"{subject} is not in use, {retained} MB retained", figures, todo, since
        )
    return Verdict(Level.OK, subject, f"{subject} is active, {retained} MB retained", figures)
