"""When failed connector tasks are restarted by themselves. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cdc.model.samples import ConnectorSample

WINDOW = timedelta(hours=1)
FIRST_GAP = timedelta(seconds=5)


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
