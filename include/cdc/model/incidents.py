"""Incidents: when an alert begins, when people hear of it again, and when it is over. Pure.

A check's verdicts come here once its patience is over: a breach then counts. Sensors and `cdc alerts` show
the same incidents; whoever mends something need tell nobody, the next look ends the incident.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from cdc.model.verdict import Alarm, Figure, Level, Verdict


class News(StrEnum):
    """What people are told of an incident."""

    BEGUN = "begun"
    CHANGED = "changed"
    REMINDER = "reminder"
    OVER = "over"


@dataclass(frozen=True)
class Incident:
    """Something that is wrong, from the first breach to the first look that is well again.

    Attributes:
        subject: the verdict's; a pipeline has at most one open incident of a subject.
        alarm: the runbook's entry about what is the matter now.
        since: since when it has been so, where that is known; else when it was found.
        began_at: when it was found.
        told_at: when people were told last.
        told: the alarms that people were told of.
        over_at: None while it goes on.
        ending: what was well again.
        id: the ops store's; None before it was recorded.
    """

    subject: str
    level: Level
    alarm: Alarm
    sentence: str
    began_at: datetime
    told_at: datetime
    figures: Mapping[str, Figure] = field(default_factory=dict)
    todo: str = ""
    since: datetime | None = None
    told: tuple[Alarm, ...] = ()
    over_at: datetime | None = None
    ending: str = ""
    id: int | None = None

    @property
    def bad_since(self) -> datetime:
        """The earliest moment that it is known to have been so."""
        return min(self.since or self.began_at, self.began_at)


@dataclass(frozen=True)
class Turn:
    """An incident after a look, and what people are told of it; None is nothing."""

    incident: Incident
    news: News | None


def follow(
    open_: Mapping[str, Incident], verdicts: Sequence[Verdict], gap: timedelta, at: datetime
) -> list[Turn]:
    """What one look means for the incidents of a check.

    Args:
        open_: the check's open incidents, by subject.
        verdicts: everything that the check looked at, after its patience.
        gap: how long an incident that goes on is silent.
        at: the time of the look.

    Returns:
        A turn for each incident that began, goes on, or is over; one whose subject is looked at no more
        (its sink was taken out of the pipeline) is over.
    """
    turns = [_follow(open_.get(verdict.subject), verdict, gap, at) for verdict in verdicts]
    seen = {verdict.subject for verdict in verdicts}
    gone = leave([known for known in open_.values() if known.subject not in seen], at)
    return [turn for turn in (*turns, *gone) if turn is not None]


def leave(open_: Iterable[Incident], at: datetime, why: str = "") -> list[Turn]:
    """What becomes of incidents whose subjects nobody looks at any more: they are over, and that is told."""
    because = f": {why}" if why else ""
    return [_over(known, f"{known.subject} is checked no more{because}", at) for known in open_]


def _follow(known: Incident | None, verdict: Verdict, gap: timedelta, at: datetime) -> Turn | None:
    if known is None:
        return None if verdict.healthy else Turn(_begin(verdict, at), News.BEGUN)
    if verdict.level is Level.OK or verdict.meant:
        return _over(known, verdict.sentence, at)
    now = replace(
        known,
        level=verdict.level,
        alarm=verdict.alarm,
        sentence=verdict.sentence,
        figures=verdict.figures,
        todo=verdict.todo,
        since=min(filter(None, (known.since, verdict.since)), default=None),
    )
    # A warning is better, and not well yet: neither an end nor something new.
    if not verdict.healthy and verdict.alarm not in known.told:
        return Turn(replace(now, told_at=at, told=(*known.told, verdict.alarm)), News.CHANGED)
    if at - known.told_at >= gap:
        return Turn(replace(now, told_at=at), News.REMINDER)
    return Turn(now, None)


def _begin(verdict: Verdict, at: datetime) -> Incident:
    return Incident(
        verdict.subject,
        verdict.level,
        verdict.alarm,
        verdict.sentence,
        at,
        at,
        verdict.figures,
        verdict.todo,
        verdict.since,
        (verdict.alarm,),
    )


def _over(known: Incident, sentence: str, at: datetime) -> Turn:
    return Turn(replace(known, ending=sentence, told_at=at, over_at=at), News.OVER)
