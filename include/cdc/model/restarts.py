"""When failed connector tasks are restarted by themselves. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cdc.model.samples import ConnectorSample
from cdc.model.verdict import Alarm, Level, Verdict

WINDOW = timedelta(hours=1)
FIRST_GAP = timedelta(seconds=5)
SETTLED = timedelta(seconds=15)
"""A task that fails for the same cause again runs for some seconds before."""


@dataclass(frozen=True)
class Restart:
    """A restart of failed connector tasks that nobody asked for; `cause` is the trace's."""

    connector: str
    what: str
    cause: str
    at: datetime


def what_failed(sample: ConnectorSample) -> str:
    """`task 0`, `tasks 0, 2`, `the connector itself`; empty when nothing has failed."""
    failed = [str(task.id) for task in sample.tasks if task.state == "FAILED"]
    if failed:
        return f"task{'s' if len(failed) > 1 else ''} {', '.join(failed)}"
    return "the connector itself" if sample.state == "FAILED" else ""


def within_window(restarts: Sequence[datetime], at: datetime) -> list[datetime]:
    """The restarts that count now, oldest first."""
    return sorted(t for t in restarts if at - t < WINDOW)


def may_restart(restarts: Sequence[datetime], per_hour: int, at: datetime) -> bool:
    """Whether one more is allowed.

    The first few come quickly, each after twice the time: a cause that passes by itself has passed within
    the time in which nobody is told. After that a person has to look.

    Args:
        restarts: when the connector was restarted by this rule.
        per_hour: how often it may be in any hour.
        at: now.
    """
    recent = within_window(restarts, at)
    if len(recent) >= per_hour:
        return False
    return not recent or at - recent[-1] >= FIRST_GAP * 2 ** (len(recent) - 1)


def with_restarts(
    verdict: Verdict, restarts: Sequence[Restart], per_hour: int, at: datetime, trouble: str = ""
) -> Verdict:
    """The connector's verdict, with what was done about failed tasks.

    A connector that runs is well only once it has run for a while after the last restart.

    Args:
        verdict: by its state alone.
        restarts: of this connector, oldest first.
        per_hour: how often it may be in any hour.
        at: now.
        trouble: why it could not be restarted.
    """
    times = len(within_window([one.at for one in restarts], at))
    said = f"restarted by itself {times} of at most {per_hour} times within an hour"
    if verdict.level is Level.BREACH and verdict.alarm in (Alarm.CONNECTOR_FAILED, Alarm.CONNECTOR_STOPPED):
        said = f"it could not be restarted: {trouble}" if trouble else said
        return replace(verdict, sentence=f"{verdict.sentence} ({said})") if trouble or times else verdict
    if verdict.level is Level.UNKNOWN or not restarts or at - restarts[-1].at >= SETTLED:
        return verdict
    last = restarts[-1]
    sentence = (
        f"{verdict.subject}: {last.what} has failed and was started again just now: {last.cause} ({said})"
    )
    todo = "Nothing while it runs; else mend the cause named in the trace."
    return replace(verdict, level=Level.BREACH, sentence=sentence, todo=todo, alarm=Alarm.CONNECTOR_FAILED)
