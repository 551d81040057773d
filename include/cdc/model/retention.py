"""Whether Kafka keeps events for longer than whoever still has to read them needs. Pure.

Kafka removes events by age and, where a limit of bytes is set, by size. What a query, a parked table or a
resume has not read by then is lost to it. So the age of the oldest unread event must stay below the
retention, and by more than the time that a replay or a repair may take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cdc.model.health import Figure, Level, Verdict
from cdc.model.lag import duration
from cdc.spec.sections import MaintenanceSpec


@dataclass(frozen=True)
class Reader:
    """Who still has to read a topic, and from where.

    Attributes:
        name: a query, or a table that is parked.
        oldest: when its oldest unread event was written to Kafka; None when it has read everything.
        lost: events that Kafka has removed before they were read.
    """

    name: str
    oldest: datetime | None = None
    lost: int = 0


@dataclass(frozen=True)
class RetentionSample:
    """One topic.

    Attributes:
        limit_s: `retention.ms` in seconds; None keeps events for ever.
        limit_bytes: `retention.bytes` of a partition; None when there is none.
        begins: when the oldest event that Kafka still has was written, by a partition of which it has removed
            some already; that is how long the limit of bytes keeps events at the present rate.
        unreachable: why it could not be looked at.
    """

    topic: str
    at: datetime
    limit_s: float | None = None
    limit_bytes: int | None = None
    begins: datetime | None = None
    readers: Sequence[Reader] = ()
    unreachable: str = ""


def judge_retention(sample: RetentionSample, policy: MaintenanceSpec) -> Verdict:
    """The verdict about one topic."""
    subject = f"retention of {sample.topic}"
    if sample.unreachable:
        todo = "See that Kafka and the ops store run; it is asked again at the next run."
        return Verdict(
            Level.UNKNOWN, subject, f"{subject} could not be checked: {sample.unreachable}", todo=todo
        )
    keeps, why = kept_for(sample)
    lags = {r.name: (sample.at - r.oldest).total_seconds() for r in sample.readers if r.oldest is not None}
    slowest = max(lags, key=lambda name: lags[name], default="")
    worst = max(0.0, lags.get(slowest, 0.0))
    spare_s = policy.horizon_age_minutes * 60
    figures: dict[str, Figure] = {
        "keeps_s": keeps,
        "limit_bytes": sample.limit_bytes,
        "worst_lag_s": round(worst, 1),
        "spare_s": spare_s,
    }
    if lost := {r.name: r.lost for r in sample.readers if r.lost}:
        said = ", ".join(f"{count:,} of {name}" for name, count in lost.items())
        return Verdict(
            Level.BREACH,
            subject,
            f"{subject}: Kafka has removed events that were not read yet: {said}",
            figures,
            "Raise the topic's retention. A parked table: `cdc resync` builds it anew, or `cdc table resume "
            "--accept-loss`. A query: `cdc generation raise` closes what is lost. Then "
            "`cdc reconcile --repair`; of a changelog `cdc table snapshot`.",
        )
    if keeps is None:
        return Verdict(Level.OK, subject, f"{subject}: Kafka keeps every event", figures)
    behind = f"{slowest} is {duration(worst)} behind" if slowest else "every query has read everything"
    said = f"{subject}: Kafka keeps events for {duration(keeps)}{why}, {behind}"
    if worst >= keeps:
        todo = "Raise retention.ms of the topic now, then see why that query does not move."
        return Verdict(Level.BREACH, subject, f"{said}: the next to be removed are unread", figures, todo)
    if keeps - worst < spare_s:
        left = f"only {duration(keeps - worst)} are left, a replay or a repair may take {duration(spare_s)}"
        todo = (
            "Raise `kafka.retention_hours` (and retention.ms of the topic), or let the query catch up; "
            "`policies.maintenance.horizon_age_minutes` is the time that is kept in hand."
        )
        return Verdict(Level.BREACH, subject, f"{said}: {left}", figures, todo)
    return Verdict(Level.OK, subject, said, figures)


def kept_for(sample: RetentionSample) -> tuple[float | None, str]:
    """For how long Kafka keeps events, in seconds, and what says so; None is for ever."""
    by_size = None
    if sample.limit_bytes is not None and sample.begins is not None:
        by_size = max(0.0, (sample.at - sample.begins).total_seconds())
    if by_size is not None and (sample.limit_s is None or by_size < sample.limit_s):
        return by_size, f" at the present rate (retention.bytes {sample.limit_bytes:,})"
    return sample.limit_s, ""


def unread(until: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, int]:
    """By partition, where reading goes on, of those that have something unread; without places, all of it."""
    places = until or dict.fromkeys(ends, 0)
    return {p: offset for p, offset in places.items() if offset < ends.get(p, 0)}


def lost_events(places: Mapping[int, int], earliest: Mapping[int, int]) -> int:
    """Offsets between where reading would go on and where Kafka begins now."""
    return sum(max(0, earliest.get(p, 0) - offset) for p, offset in places.items())
