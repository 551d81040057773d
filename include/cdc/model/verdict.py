"""A verdict: what a sample means, in words, with what a person does next. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

Figure = int | float | str | None


class Level(StrEnum):
    """How bad it is; `unknown` means that the component could not be asked."""

    OK = "ok"
    WARN = "warn"
    BREACH = "breach"
    UNKNOWN = "unknown"


class Alarm(StrEnum):
    """What is the matter, by the heading of its entry in the runbook (`docs/operations.md`)."""

    NONE = ""
    UNCHECKED = "… could not be checked"
    CONNECTOR_MISSING = "connector … is not registered on Kafka Connect"
    CONNECTOR_FAILED = "connector …: task N has failed"
    CONNECTOR_STOPPED = "connector … is PAUSED"
    QUERY_SILENT = "query … has made no progress for … s"
    QUERY_BEHIND = "query … is … events behind its topics"
    QUERY_PARKED = "query … runs, but … is parked there"
    CHECKPOINT_AHEAD = "checkpoint of … is ahead of Kafka"
    CHECKPOINT_BEHIND = "checkpoint of … is … offsets behind Kafka"
    SLOT_MISSING = "replication slot … does not exist at the source"
    SLOT_LOST = "replication slot … is lost"
    SLOT_ENDANGERED = "replication slot … is invalidated …"
    SLOT_RETAINS = "replication slot … holds back … MB of WAL"
    SLOT_INACTIVE = "replication slot … is not in use since …"
    WATERMARKS_OLD = "watermarks of … are too old"
    DEAD_LETTERS = "dead letters of …"
    DEADLINE = "DAG … has not ended after … min"


@dataclass(frozen=True)
class Verdict:
    """What a sample means.

    Attributes:
        subject: what was judged, such as `query ecommerce.orders.clickhouse`.
        sentence: what is the matter, with the figures and the limit.
        figures: the same figures by name.
        todo: what a person does next; empty when all is well.
        since: since when it has been so, where that is known.
        alarm: the runbook's entry about it.
        meant: a person wants it so; it ends an incident, though it is shown.
    """

    level: Level
    subject: str
    sentence: str
    figures: Mapping[str, Figure] = field(default_factory=dict)
    todo: str = ""
    since: datetime | None = None
    alarm: Alarm = Alarm.NONE
    meant: bool = False

    @property
    def healthy(self) -> bool:
        """True for ok and warn."""
        return self.level in (Level.OK, Level.WARN)


def unknown(subject: str, why: str) -> Verdict:
    """The component could not be asked."""
    todo = "See that the service runs (`make status`, its log in the stack's logs folder); it is asked again."
    said = f"{subject} could not be checked: {why}"
    return Verdict(Level.UNKNOWN, subject, said, todo=todo, alarm=Alarm.UNCHECKED)


def not_begun(subject: str, said: str, todo: str) -> Verdict:
    """Nothing that ever ran has stopped: a new pipeline is no incident."""
    return Verdict(Level.WARN, subject, f"{subject} {said}", todo=todo)


def worst(verdicts: tuple[Verdict, ...]) -> Verdict | None:
    """The verdict to speak of first: a breach, then what is unknown, then a warning, then what is meant."""
    order = (Level.BREACH, Level.UNKNOWN, Level.WARN, Level.OK)
    return min(verdicts, key=lambda verdict: (order.index(verdict.level), verdict.meant), default=None)
