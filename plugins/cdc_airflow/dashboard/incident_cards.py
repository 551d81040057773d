"""Incidents with what is the matter, since when, what to do, and who was told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cdc.model.incidents import Incident
from cdc.model.lag import duration
from cdc.model.verdict import Level
from cdc.ops.history import Told


@dataclass(frozen=True)
class Message:
    """Something that people were told, or should have been.

    Attributes:
        by: `mail` or `webhook`.
        to: whom.
        outcome: `delivered`, `being sent`, or why not.
        failed: it did not get there.
    """

    by: str
    to: str
    subject: str
    at: datetime
    outcome: str
    failed: bool


@dataclass(frozen=True)
class IncidentCard:
    """One incident.

    Attributes:
        since: since when it has been so, as far as is known.
        lasted: how long it has gone on, or went on.
        figures: names and values.
        runbook: the heading of its entry in `docs/operations.md`; empty when it has none.
        ending: what was well again; empty while it goes on.
    """

    subject: str
    level: Level
    sentence: str
    since: datetime
    lasted: str
    figures: tuple[tuple[str, str], ...]
    todo: str
    runbook: str
    told: tuple[Message, ...]
    over_at: datetime | None = None
    ending: str = ""


def incident_cards(
    incidents: Sequence[Incident], told: Sequence[Told], now: datetime
) -> tuple[IncidentCard, ...]:
    """The incidents in their order, each with the messages about it, oldest first."""
    return tuple(_card(one, [m for m in reversed(told) if one.id in m.incidents], now) for one in incidents)


def failed_messages(told: Sequence[Told]) -> tuple[Message, ...]:
    """What did not get there, newest first."""
    return tuple(_message(one) for one in told if one.failed)


def _card(one: Incident, told: Sequence[Told], now: datetime) -> IncidentCard:
    lasted = ((one.over_at or now) - one.bad_since).total_seconds()
    return IncidentCard(
        subject=one.subject,
        level=one.level,
        sentence=one.sentence,
        since=one.bad_since,
        lasted=duration(max(0.0, lasted)),
        figures=tuple((name, "–" if value is None else str(value)) for name, value in one.figures.items()),
        todo=one.todo,
        runbook=one.alarm.value,
        told=tuple(_message(message) for message in told),
        over_at=one.over_at,
        ending=one.ending,
    )


def _message(one: Told) -> Message:
    if one.delivered_at is not None:
        outcome = "delivered"
    elif not one.attempts:
        outcome = "being sent"
    else:
        again = "it is not sent any more" if one.given_up else "it is sent again"
        outcome = f"failed {one.attempts} time(s), {again}: {one.error}"
    return Message(one.channel, one.target, one.subject, one.created_at, outcome, one.failed)
