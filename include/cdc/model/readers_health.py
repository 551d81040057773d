"""What readers were promised: how old the watermarks are, and what could not be written. Pure."""

from __future__ import annotations

from datetime import datetime

from cdc.model.lag import duration
from cdc.model.samples import DeadLettersSample, WatermarkAge, WatermarksSample
from cdc.model.verdict import Alarm, Figure, Level, Verdict, not_begun, unknown
from cdc.spec.sections import PoliciesSpec


def judge_watermarks(sample: WatermarksSample, policy: PoliciesSpec) -> Verdict:
    """How far what the tables are proven complete up to is behind now, the oldest first.

    A stream's last launch counts as a beginning: while nothing ran, nothing could be proven.
    """
    subject = f"watermarks of {sample.pipeline}"
    if sample.unreachable:
        return unknown(subject, sample.unreachable)
    if not sample.scheduled:
        return Verdict(Level.OK, subject, f"{subject} are proven by hand only")
    if not sample.ages:
        return Verdict(Level.OK, subject, f"{subject} are not proven: every stream is paused")
    ages = {age: _age_s(age, sample.at) for age in sample.ages if age.proven_at is not None}
    if not ages:
        return not_begun(subject, "were never proven", "Run DAG cdc_watermarks.")
    limit_s = policy.max_watermark_minutes * 60
    old = [age for age, seconds in ages.items() if seconds > limit_s]
    oldest = max(ages, key=lambda age: ages[age])
    figures: dict[str, Figure] = {
        "oldest_s": round(ages[oldest]),
        "max_s": limit_s,
        "watermarks": len(ages),
        "too_old": len(old),
    }
    if not old:
        # A table whose first snapshot is under way has no watermark, for as long as that takes.
        missing = len(sample.ages) - len(ages)
        more = f"; {missing} were never proven: `cdc watermarks` says why" if missing else ""
        said = f"{subject} are {duration(ages[oldest])} old at most{more}"
        return Verdict(Level.WARN if missing else Level.OK, subject, said, figures)
    said = (
        f"{subject} are too old, {len(old)} of {len(ages)}: {oldest.table} in {oldest.sink} is complete up "
        f"to {duration(ages[oldest])} ago (limit {policy.max_watermark_minutes} min): "
        f"{_why(oldest, sample.at, limit_s)}"
    )
    todo = "`cdc watermarks --prove` proves anew and says for each table what is in its way."
    since = min(filter(None, (_complete_up_to(age) for age in old)), default=None)
    return Verdict(Level.BREACH, subject, said, figures, todo, since, Alarm.WATERMARKS_OLD)


def judge_dead_letters(sample: DeadLettersSample, policy: PoliciesSpec) -> Verdict:
    """Whether more events wait as dead letters than the pipeline allows."""
    subject = f"dead letters of {sample.pipeline}"
    if sample.unreachable:
        return unknown(subject, sample.unreachable)
    count = sum(sample.open.values())
    figures: dict[str, Figure] = {"open": count, "max_open": policy.max_dead_letters}
    if not count:
        return Verdict(Level.OK, subject, f"{subject}: none is open", figures)
    where = ", ".join(f"{n:,} of {table} in {sink}" for (table, sink), n in sorted(sample.open.items()))
    newest = f"; the newest: {sample.newest}" if sample.newest else ""
    said = f"{subject}: {count:,} event(s) could not be written ({where}){newest}"
    if count <= policy.max_dead_letters:
        return Verdict(Level.OK, subject, f"{said} (limit {policy.max_dead_letters:,})", figures)
    todo = (
        "`cdc dead-letters list` shows why; mend the cause, then run DAG cdc_dead_letter_replay; what no "
        "parser can read is given up by `cdc dead-letters discard`."
    )
    for table in sample.gone:
        give_up = f"`cdc dead-letters discard --table {table} --reason …`"
        todo += f" The pipeline has no table {table} any more: {give_up} gives its events up."
    return Verdict(Level.BREACH, subject, said, figures, todo, sample.since, Alarm.DEAD_LETTERS)


def _complete_up_to(age: WatermarkAge) -> datetime | None:
    return age.complete_until or age.proven_at


def _age_s(age: WatermarkAge, now: datetime) -> float:
    """Since when nothing more is known to be complete; 0 for a table that waits for its first proof."""
    times = [t for t in (_complete_up_to(age), age.waiting_since) if t is not None]
    return max(0.0, (now - max(times)).total_seconds()) if times else 0.0


def _why(age: WatermarkAge, now: datetime, limit_s: float) -> str:
    if age.doubt:
        return age.doubt
    if age.proven_at is None or (now - age.proven_at).total_seconds() > limit_s:
        return "DAG cdc_watermarks has proven nothing since"
    return "a transaction at the source is open since then"
