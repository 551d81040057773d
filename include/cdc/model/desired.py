"""What is wanted of a stream. Who asks writes it to the ops store; the driver obeys between two batches."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum


class Desired(StrEnum):
    """What a person, or a DAG, wants of a stream's driver."""

    RUNNING = "running"
    RESTARTING = "restarting"
    """The driver ends, and whoever asked for it, or the schedule, starts the next one."""
    PAUSED = "paused"
    """None runs until somebody resumes the stream, and nobody is alarmed: that is meant."""
    STOPPED = "stopped"
    """None runs until somebody starts the stream; its readers' promise is still watched."""

    @property
    def wants_driver(self) -> bool:
        """A driver should run, now or in a moment."""
        return self in (Desired.RUNNING, Desired.RESTARTING)


def refusal(desired: str, action: str) -> str:
    """Why an action does not start a stream's driver; empty when it does. Pure.

    A stream that is paused is started by nothing but `resume`, not even by an apply by hand, which wakes
    every stream of its pipeline.

    Args:
        desired: what is wanted of the stream.
        action: `ensure`, `restart`, `resume`, `start`.
    """
    if desired == Desired.PAUSED and action != "resume":
        return "it is paused: resume it (action `resume` of its DAG, or `cdc stream resume`)"
    return ""


def overtaken(desired: str, since: datetime, *, starts: bool, asked_at: datetime) -> str:
    """Why a request that is made once more is given up; empty when nobody took it back since. Pure.

    Args:
        desired: what is wanted of the stream.
        since: when somebody asked for that.
        starts: the request is for a driver, else for none.
        asked_at: when the request was made first.
    """
    if Desired(desired).wants_driver == starts or since <= asked_at:
        return ""
    return f"somebody asked for it to be {desired} at {since:%Y-%m-%d %H:%M:%S} UTC, after this run had begun"


def ended_meanwhile(before: Desired, now: Desired) -> str:
    """Why a start that was asked for goes no further; empty when it does. Pure.

    Whoever starts waits for a lock, and for the old driver's end. A stop or a pause that somebody asks for in
    that time is newer, and stays.

    Args:
        before: what was wanted when the start was asked for.
        now: what is wanted.
    """
    if now.wants_driver or now is before:
        return ""
    return f"it was {now} while it was to start: ask for it again if it should run"
