"""How far behind a query, capture and a pipeline are, in seconds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cdc.model.samples import QuerySample


@dataclass(frozen=True)
class LastBatch:
    """The newest batch of a query.

    Attributes:
        newest_change: the source's time of the newest change in it; None when it held none.
    """

    started_at: datetime
    finished_at: datetime
    newest_change: datetime | None = None


@dataclass(frozen=True)
class QueryView:
    """A query as a whole: its sample, and where it is in its topics.

    Attributes:
        last: None before the first batch.
        seen_at: its last word, also that there was nothing to do.
        backlog: offsets of its topics that it has not passed; None when Kafka or the ops store was not asked.
    """

    stream: str
    sink: str
    sample: QuerySample
    last: LastBatch | None = None
    seen_at: datetime | None = None
    backlog: int | None = None


@dataclass(frozen=True)
class Lag:
    """From the source's commit to the sink, in seconds.

    Attributes:
        before_batch_s: of the last batch, from the newest change's commit to the batch's beginning: capture,
            Kafka, and waiting for the trigger.
        in_batch_s: of the last batch, from its beginning to its end.
        behind: changes wait that are not written; `seconds` is then how old the oldest of them may be.
    """

    seconds: float
    before_batch_s: float
    in_batch_s: float
    behind: bool
    at: datetime


@dataclass(frozen=True)
class WalPoint:
    """The source's log and what Debezium has confirmed of it, at one moment; both are LSNs."""

    at: datetime
    written: int
    confirmed: int


def is_stale(at: datetime | None, now: datetime, limit_s: float) -> bool:
    """A figure without a sample time is as good as an old one."""
    return at is None or (now - at).total_seconds() > limit_s


def lag_of(query: QueryView, now: datetime) -> Lag | None:
    """How far behind the source a query is; None before its first batch.

    A query that has passed its topics' ends is as late as its last batch was, or as the time since it had
    nothing to do. One that has not may miss every change since the newest that it wrote, or since it last
    had nothing to do.
    """
    last = query.last
    if last is None:
        return None
    newest = min(last.newest_change or last.started_at, last.finished_at)
    before = max(0.0, (last.started_at - newest).total_seconds())
    within = max(0.0, (last.finished_at - last.started_at).total_seconds())
    idle = query.seen_at if query.seen_at is not None and query.seen_at > last.finished_at else None
    behind = query.backlog > 0 if query.backlog is not None else idle is None
    if not behind:
        took = (last.finished_at - newest).total_seconds()
        # Since it had nothing to do, its last batch says nothing of now: that may have been a snapshot.
        seconds = took if idle is None else min(took, max(0.0, (now - idle).total_seconds()))
        return Lag(seconds, before, within, behind, idle or last.finished_at)
    complete = max(newest, idle) if idle is not None else newest
    return Lag(max(0.0, (now - complete).total_seconds()), before, within, behind, now)


def capture_lag(points: Sequence[WalPoint]) -> float | None:
    """How old, in seconds, the oldest part of the source's log is at least that Debezium has not confirmed.

    The log was already beyond what is confirmed now when it was first seen there. How much earlier that was
    is not known, so looks that are far apart make the lag seem smaller and never larger.

    Args:
        points: oldest first.

    Returns:
        None without a look.
    """
    if not points:
        return None
    newest = points[-1]
    beyond = next((point for point in points if point.written > newest.confirmed), newest)
    return (newest.at - beyond.at).total_seconds()


def growth(points: Sequence[WalPoint]) -> float | None:
    """Bytes of log a second over these points; None for fewer than two moments."""
    if len(points) < 2 or points[-1].at <= points[0].at:
        return None
    return (points[-1].written - points[0].written) / (points[-1].at - points[0].at).total_seconds()


def seconds_to_invalidation(safe_bytes: int | None, rate: float | None) -> float | None:
    """How long until the source may drop WAL that the slot needs, if nothing is confirmed and the rate stays.

    Args:
        safe_bytes: `safe_wal_size` of the slot; None when the source keeps WAL without a limit.
        rate: bytes a second.
    """
    if safe_bytes is None or rate is None or rate <= 0:
        return None
    return max(0.0, safe_bytes / rate)


def pipeline_lag(lags: Iterable[Lag | None], capture_s: float | None) -> float | None:
    """End to end: the slowest query, or capture when that is slower. None when neither is known."""
    known = [lag.seconds for lag in lags if lag is not None]
    return max([*known, *([capture_s] if capture_s is not None else [])], default=None)


def duration(seconds: float) -> str:
    """`0.8 s`, `42 s`, `3 min`, `2 h 5 min`, `4 d 1 h`: two units at most."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
