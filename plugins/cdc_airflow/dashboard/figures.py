"""A number with the time it was true at, and its words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cdc.model.lag import duration, is_stale

LIVE_S = 30.0
"""How old a look at a component may be before its figures are greyed; pages ask every few seconds."""
NONE = "–"


@dataclass(frozen=True)
class Figure:
    """What is printed, and what programs get.

    Attributes:
        value: None when it is not known.
        at: when it was sampled.
        stale: too old to be believed; it is greyed.
    """

    text: str = NONE
    value: float | int | str | None = None
    at: datetime | None = None
    stale: bool = True


UNKNOWN = Figure()


def figure(
    value: float | int | str | None, text: str, at: datetime | None, now: datetime, limit_s: float = LIVE_S
) -> Figure:
    """A figure that is stale after `limit_s`; one without a value is `–`."""
    if value is None:
        return Figure(at=at)
    return Figure(text, value, at, is_stale(at, now, limit_s))


def seconds_figure(
    seconds: float | None, at: datetime | None, now: datetime, limit_s: float = LIVE_S
) -> Figure:
    """Seconds in words."""
    if seconds is None:
        return Figure(at=at)
    return figure(round(seconds, 3), duration(seconds), at, now, limit_s)


def age_figure(then: datetime | None, at: datetime | None, now: datetime, limit_s: float = LIVE_S) -> Figure:
    """How long ago something was, as far as it is known `at`."""
    if then is None:
        return Figure(at=at)
    seconds = max(0.0, (now - then).total_seconds())
    return figure(round(seconds, 1), f"{duration(seconds)} ago", at, now, limit_s)


def count_figure(count: int | None, at: datetime | None, now: datetime, limit_s: float = LIVE_S) -> Figure:
    """A whole number with separators, shortened from a million on."""
    return figure(count, "" if count is None else count_text(count), at, now, limit_s)


def bytes_figure(size: int | None, at: datetime | None, now: datetime, limit_s: float = LIVE_S) -> Figure:
    """Bytes in the largest unit that leaves a number above one."""
    return figure(size, "" if size is None else bytes_text(size), at, now, limit_s)


def rate_figure(rate: float | None, at: datetime | None, now: datetime, limit_s: float = LIVE_S) -> Figure:
    """Something a second."""
    return figure(rate, "" if rate is None else f"{rate_text(rate)}/s", at, now, limit_s)


def count_text(count: float) -> str:
    """`12,345`; `1.23 M` and `1.23 G` beyond."""
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if abs(count) >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count:,.0f}"


def rate_text(rate: float) -> str:
    """Two figures below ten, none after the point above."""
    return f"{rate:.2g}" if 0 < rate < 10 else count_text(rate)


def bytes_text(size: float) -> str:
    """`12.3 MB`."""
    for limit, unit in ((2**40, "TB"), (2**30, "GB"), (2**20, "MB"), (2**10, "kB")):
        if abs(size) >= limit:
            return f"{size / limit:.1f} {unit}"
    return f"{size:.0f} B"


def moment_text(moment: datetime, now: datetime) -> str:
    """The time, with its day when that is not today's."""
    return f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M}"
