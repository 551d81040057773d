"""Health: a sample of one component (`cdc.model.samples`) judged against the pipeline's policies.

Sensors, triggers and `cdc status` call `evaluate`. Health is the age and lag of the last progress, never "it
runs".
"""

from __future__ import annotations

from functools import singledispatch

from cdc.model.readers_health import judge_dead_letters, judge_watermarks
from cdc.model.samples import (
    CheckpointSample,
    ConnectorSample,
    DeadLettersSample,
    QuerySample,
    Sample,
    SlotSample,
    WatermarksSample,
    lag,
)
from cdc.model.slot_health import judge_slot
from cdc.model.verdict import Alarm, Figure, Level, Verdict, not_begun, unknown, worst
from cdc.spec.sections import PoliciesSpec

__all__ = ["Alarm", "Figure", "Level", "Verdict", "evaluate", "worst"]


@singledispatch
def _judge(sample: object, policy: PoliciesSpec) -> Verdict:  # noqa: ARG001 - the rules below use it
    raise TypeError(f"no rule for a {type(sample).__name__}")


def evaluate(sample: Sample, policy: PoliciesSpec) -> Verdict:
    """Judge one sample."""
    return _judge(sample, policy)


@_judge.register
def _connector(sample: ConnectorSample, policy: PoliciesSpec) -> Verdict:  # noqa: ARG001 - one signature for all
    subject = f"connector {sample.connector}"
    if sample.unreachable:
        return unknown(subject, sample.unreachable)
    if sample.state is None and not sample.expected:
        return not_begun(subject, "was never registered", "Run DAG cdc_connectors or `cdc apply`.")
    if sample.state is None:
        return Verdict(
            Level.BREACH,
            subject,
            f"{subject} is not registered on Kafka Connect",
            todo="Run DAG cdc_connectors.",
            alarm=Alarm.CONNECTOR_MISSING,
        )
    running = sum(task.state == "RUNNING" for task in sample.tasks)
    figures: dict[str, Figure] = {"state": sample.state, "tasks": len(sample.tasks), "tasks_running": running}
    failed = next((task for task in sample.tasks if task.state == "FAILED"), None)
    if failed is not None:
        sentence = f"{subject}: task {failed.id} has failed: {failed.cause}"
        todo = "Mend the cause named in the trace, then run DAG cdc_connectors, which restarts failed tasks."
        return Verdict(Level.BREACH, subject, sentence, figures, todo, alarm=Alarm.CONNECTOR_FAILED)
    if sample.state == "RUNNING" and sample.tasks and running == len(sample.tasks):
        return Verdict(Level.OK, subject, f"{subject} is running with {running} task(s)", figures)
    sentence = f"{subject} is {sample.state} with {running} of {len(sample.tasks)} task(s) running"
    level = Level.WARN if sample.state in ("RUNNING", "UNASSIGNED", "RESTARTING") else Level.BREACH
    todo = "Resume it, or run DAG cdc_connectors and read its log."
    return Verdict(level, subject, sentence, figures, todo, alarm=Alarm.CONNECTOR_STOPPED)


@_judge.register
def _query(sample: QuerySample, policy: PoliciesSpec) -> Verdict:
    subject = f"query {sample.query}"
    if sample.unreachable:
        return unknown(subject, sample.unreachable)
    if sample.paused_at is not None:
        todo = "Nothing, as long as that is meant; `cdc stream resume`, or action resume of the stream's DAG."
        said = f"{subject} is paused since {sample.paused_at:%Y-%m-%d %H:%M} UTC"
        return Verdict(Level.WARN, subject, said, todo=todo, since=sample.paused_at, meant=True)
    if not sample.wanted:
        todo = "Nothing, if that is meant; else run the stream's DAG or `cdc stream start`."
        return Verdict(
            Level.WARN, subject, f"{subject} is stopped on request", todo=todo, since=sample.seen_at
        )
    # A launch is a beginning, but not the next one of a driver that gives up each time.
    began = sample.waiting_since or sample.launched_at
    seen = max((t for t in (sample.seen_at, began) if t is not None), default=None)
    age = None if seen is None else max(0.0, round((sample.at - seen).total_seconds(), 1))
    figures: dict[str, Figure] = {"age_s": age, "offsets_behind": sample.offsets_behind}
    figures |= {"max_age_s": policy.max_progress_age_s, "max_start_s": policy.max_start_s}
    figures |= {"max_offsets_behind": policy.max_offsets_behind}
    restart = "Read the driver's log (`cdc status` names the application), then run the stream's DAG."
    if age is None:
        return not_begun(subject, "was never launched", "Run the stream's DAG or `cdc stream start`.")
    starting = sample.seen_at is None or (
        sample.launched_at is not None and sample.seen_at < sample.launched_at
    )
    limit = policy.max_start_s if starting else policy.max_progress_age_s
    if age > limit:
        since = "since its launch " if starting else ""
        said = f"{subject} has made no progress {since}for {age:.0f} s (limit {limit} s)"
        return Verdict(Level.BREACH, subject, said, figures, restart, seen, Alarm.QUERY_SILENT)
    behind = sample.offsets_behind or 0
    if behind > policy.max_offsets_behind:
        sentence = f"{subject} is {behind} events behind its topics (limit {policy.max_offsets_behind})"
        todo = (
            "Wait if it is catching up; else give the stream more executors or a larger "
            "max_offsets_per_trigger."
        )
        return Verdict(Level.BREACH, subject, sentence, figures, todo, sample.seen_at, Alarm.QUERY_BEHIND)
    if sample.parked:
        sentence = f"{subject} runs, but {', '.join(sample.parked)} is parked there"
        todo = "`cdc table list` gives the reason; mend it, then `cdc table resume`."
        return Verdict(Level.BREACH, subject, sentence, figures, todo, alarm=Alarm.QUERY_PARKED)
    if starting:
        return Verdict(Level.WARN, subject, f"{subject} is starting for {age:.0f} s", figures, since=seen)
    return Verdict(
        Level.OK, subject, f"{subject} made progress {age:.0f} s ago, {behind} events behind", figures
    )


@_judge.register
def _checkpoint(sample: CheckpointSample, policy: PoliciesSpec) -> Verdict:
    subject = f"checkpoint of {sample.query}"
    if sample.unreachable:
        return unknown(subject, sample.unreachable)
    behind = lag(sample.committed or {}, sample.ends)
    figures: dict[str, Figure] = {"lag": behind, "max_lag": policy.max_checkpoint_lag}
    ahead = _ahead(sample)
    if ahead:
        todo = "The topic was made anew or restored: see `cdc generation raise`."
        said = f"{subject} is ahead of Kafka: {ahead}"
        return Verdict(Level.BREACH, subject, said, figures, todo, alarm=Alarm.CHECKPOINT_AHEAD)
    if sample.paused:
        said = f"{subject} is {behind} offsets behind Kafka; its stream is paused"
        todo = "Resume it before Kafka's retention reaches them."
        return Verdict(Level.WARN, subject, said, figures, todo, meant=True)
    if behind > policy.max_checkpoint_lag:
        sentence = f"{subject} is {behind} offsets behind Kafka (limit {policy.max_checkpoint_lag})"
        todo = "Read the driver's log and the sink's health; it must catch up before Kafka's retention."
        since = sample.committed_at
        return Verdict(Level.BREACH, subject, sentence, figures, todo, since, Alarm.CHECKPOINT_BEHIND)
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


_judge.register(SlotSample, judge_slot)
_judge.register(WatermarksSample, judge_watermarks)
_judge.register(DeadLettersSample, judge_dead_letters)
