"""The replication slot: what it retains, how fast that grows, and when the source will give it up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cdc.model.lag import duration, seconds_to_invalidation
from cdc.model.samples import SlotSample
from cdc.model.verdict import Alarm, Figure, Level, Verdict, not_begun, unknown
from cdc.spec.sections import PoliciesSpec

MB = 2**20
GROWTH_WINDOW = timedelta(minutes=15)
GROWTH_SPAN_S = 20.0
"""Looks that are nearer to each other than this tell nothing of a rate: retained WAL moves in steps."""


@dataclass(frozen=True)
class SlotPoint:
    """How much WAL the slot held back at one moment, in bytes."""

    at: datetime
    retained: int


def retained_growth(points: Sequence[SlotPoint]) -> float | None:
    """Bytes a second by which the retained WAL has grown over the window; negative when it shrinks.

    Args:
        points: oldest first.

    Returns:
        None when the looks are too few or too close.
    """
    if not points:
        return None
    newest = points[-1]
    oldest = next(point for point in points if newest.at - point.at <= GROWTH_WINDOW)
    seconds = (newest.at - oldest.at).total_seconds()
    return (newest.retained - oldest.retained) / seconds if seconds >= GROWTH_SPAN_S else None


def judge_slot(sample: SlotSample, policy: PoliciesSpec) -> Verdict:
    """One slot against the policies: lost, then soon lost, then too much, then not in use."""
    subject = f"replication slot {sample.slot}"
    if sample.unreachable:
        return unknown(subject, sample.unreachable)
    if not sample.exists and not sample.expected:
        return not_begun(subject, "was never made", "Run DAG cdc_connectors or `cdc apply`.")
    if not sample.exists:
        todo = (
            "Run DAG cdc_connectors, which begins the capture anew and reads every row; changes since the "
            "slot was dropped are in no log, so then reconcile the tables."
        )
        said = f"{subject} does not exist at the source"
        return Verdict(Level.BREACH, subject, said, todo=todo, alarm=Alarm.SLOT_MISSING)
    figures = _figures(sample, policy)
    if sample.wal_status == "lost":
        todo = (
            "Raise max_slot_wal_keep_size, run DAG cdc_connectors, which begins the capture anew and reads "
            "every row, then reconcile the tables."
        )
        said = f"{subject} is lost: the source has removed WAL that it needed"
        return Verdict(
            Level.BREACH, subject, said, figures, todo, sample.inactive_since, alarm=Alarm.SLOT_LOST
        )
    return _present(sample, policy, subject, figures)


def _present(sample: SlotSample, policy: PoliciesSpec, subject: str, figures: dict[str, Figure]) -> Verdict:
    since = sample.inactive_since
    retained, limit = figures["retained_mb"], policy.max_slot_retained_mb
    left = seconds_to_invalidation(sample.safe_bytes, sample.retained_per_s)
    urgent = "See at once that the connector runs; raising max_slot_wal_keep_size at the source gains time."
    if sample.wal_status == "unreserved" or (sample.safe_bytes is not None and sample.safe_bytes <= 0):
        said = f"{subject} is invalidated at the source's next checkpoint: it holds back {retained} MB of WAL"
        return Verdict(Level.BREACH, subject, said, figures, urgent, since, alarm=Alarm.SLOT_ENDANGERED)
    if left is not None and left < policy.min_slot_minutes_left * 60:
        said = (
            f"{subject} is invalidated in {duration(left)} at the present rate: {retained} MB of WAL are "
            f"held back, {figures['growth_mb_per_min']} MB/min more, {figures['safe_wal_mb']} MB are left "
            f"(limit {policy.min_slot_minutes_left} min)"
        )
        return Verdict(Level.BREACH, subject, said, figures, urgent, since, alarm=Alarm.SLOT_ENDANGERED)
    if (sample.retained_bytes or 0) > limit * MB:
        said = f"{subject} holds back {retained} MB of WAL (limit {limit} MB){_outlook(left)}"
        todo = "See that the connector runs; a long transaction at the source holds WAL back as well."
        return Verdict(Level.BREACH, subject, said, figures, todo, since, alarm=Alarm.SLOT_RETAINS)
    if sample.active:
        said = f"{subject} is active, {retained} MB retained{_outlook(left)}"
        return Verdict(Level.OK, subject, said, figures)
    idle_s = (sample.at - since).total_seconds() if since is not None else 0.0
    if since is not None and idle_s > policy.max_slot_inactive_s:
        said = (
            f"{subject} is not in use since {duration(idle_s)} (limit {policy.max_slot_inactive_s} s), "
            f"{retained} MB retained{_outlook(left)}"
        )
        todo = "Nothing reads the source's log: see that the connector runs, then run DAG cdc_connectors."
        return Verdict(Level.BREACH, subject, said, figures, todo, since, alarm=Alarm.SLOT_INACTIVE)
    todo = "Nothing while the connector restarts; else run DAG cdc_connectors."
    said = f"{subject} is not in use, {retained} MB retained"
    return Verdict(Level.WARN, subject, said, figures, todo, since)


def _figures(sample: SlotSample, policy: PoliciesSpec) -> dict[str, Figure]:
    left = seconds_to_invalidation(sample.safe_bytes, sample.retained_per_s)
    rate = sample.retained_per_s
    return {
        "retained_mb": round((sample.retained_bytes or 0) / MB, 1),
        "max_retained_mb": policy.max_slot_retained_mb,
        "growth_mb_per_min": None if rate is None else round(rate * 60 / MB, 2),
        "safe_wal_mb": None if sample.safe_bytes is None else round(sample.safe_bytes / MB, 1),
        "minutes_to_invalidation": None if left is None else round(left / 60, 1),
        "wal_status": sample.wal_status,
    }


def _outlook(left: float | None) -> str:
    return "" if left is None else f", invalidated in {duration(left)} at the present rate"
