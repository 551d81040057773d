"""What a check found, and how long to wait for something better: pure, shared by sensors and triggers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from cdc.model.health import Alarm, Level, Verdict

_MARKS = {Level.OK: "ok", Level.WARN: "WARNING", Level.BREACH: "BREACH", Level.UNKNOWN: "UNKNOWN"}


@dataclass(frozen=True)
class Finding:
    """A verdict, and what is too long for its sentence, such as the trace of a failed connector task."""

    verdict: Verdict
    detail: str = ""

    def to_payload(self) -> dict[str, Any]:
        """What a trigger's event carries: JSON only."""
        since = self.verdict.since
        return {
            "level": self.verdict.level.value,
            "subject": self.verdict.subject,
            "sentence": self.verdict.sentence,
            "figures": dict(self.verdict.figures),
            "todo": self.verdict.todo,
            "since": since.isoformat() if since else None,
            "alarm": self.verdict.alarm.value,
            "meant": self.verdict.meant,
            "detail": self.detail,
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Finding:
        """The reverse of `to_payload`."""
        since = payload["since"]
        verdict = Verdict(
            level=Level(payload["level"]),
            subject=payload["subject"],
            sentence=payload["sentence"],
            figures=payload["figures"],
            todo=payload["todo"],
            since=datetime.fromisoformat(since) if since else None,
            alarm=Alarm(payload["alarm"]),
            meant=payload["meant"],
        )
        return cls(verdict, payload["detail"])

    def lines(self) -> tuple[str, ...]:
        """What a person reads in the task's log."""
        verdict = self.verdict
        said = [f"{_MARKS[verdict.level]}: {verdict.sentence}"]
        if verdict.level is not Level.OK:
            said += [f"  since: {verdict.since:%Y-%m-%d %H:%M:%S %Z}"] if verdict.since else []
            said += [f"  to do: {verdict.todo}"] if verdict.todo else []
        return (*said, *(f"  | {line}" for line in self.detail.splitlines()))


class CheckFailedError(AirflowFailException):
    """A check stayed bad for as long as it was given; retrying the task would only ask again.

    Attributes:
        findings: everything that was checked, the bad ones among them.
        told: people know, or are being told, by the incident of it.
    """

    def __init__(self, findings: Sequence[Finding], *, told: bool = False) -> None:
        self.findings = tuple(findings)
        self.told = told
        bad = [f.verdict for f in self.findings if f.verdict.level is not Level.OK]
        super().__init__("; ".join(f"{v.sentence}. To do: {v.todo}" if v.todo else v.sentence for v in bad))


class Step(StrEnum):
    """What to do after a look."""

    DONE = "done"
    WAIT = "wait"
    FAIL = "fail"


@dataclass(frozen=True)
class Patience:
    """How a check waits.

    Attributes:
        grace_s: how long a breach may last before it counts; a restarting component is not an incident.
        timeout_s: how long anything else that is not good enough (unknown, a warning) may last.
        accept_warnings: a warning is good enough.
        poll_s: seconds between two looks.
    """

    grace_s: float
    timeout_s: float
    accept_warnings: bool = False
    poll_s: float = 5.0

    def decide(self, findings: Sequence[Finding], waited_s: float) -> Step:
        """What follows from these findings, `waited_s` after the first look."""
        good = {Level.OK, Level.WARN} if self.accept_warnings else {Level.OK}
        levels = {finding.verdict.level for finding in findings}
        if levels <= good:
            return Step.DONE
        if Level.BREACH in levels and waited_s >= self.grace_s:
            return Step.FAIL
        return Step.FAIL if waited_s >= self.timeout_s else Step.WAIT
