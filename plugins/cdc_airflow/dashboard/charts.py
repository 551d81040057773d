"""Lines on a time axis as paths of an inline SVG. Pure: the page only prints what is drawn here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH, HEIGHT = 600.0, 60.0
SPARK_WIDTH, SPARK_HEIGHT = 160.0, 26.0
_TOP = 4.0

Points = Sequence[tuple[datetime, float | None]]
"""In the order of time; None is a gap."""


@dataclass(frozen=True)
class Axis:
    """The stretch of time that all charts of a page share."""

    since: datetime
    until: datetime

    def x(self, at: datetime) -> float:
        """0 at the beginning, 1 at the end."""
        whole = (self.until - self.since).total_seconds()
        return (at - self.since).total_seconds() / whole if whole > 0 else 1.0


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        label: what it is of, such as a sink.
        number: its colour, counted from 0.
        path: an SVG path.
        latest: its last value in words; empty when there is none.
    """

    label: str
    number: int
    path: str
    latest: str


@dataclass(frozen=True)
class Chart:
    """Lines with one scale.

    Attributes:
        top: the scale's upper end in words.
        limit_y: where the limit lies, from the top; None when it is beyond the scale.
    """

    title: str
    width: float
    height: float
    lines: tuple[Line, ...]
    top: str
    limit_y: float | None = None

    @property
    def empty(self) -> bool:
        """Nothing was measured."""
        return not any(line.path for line in self.lines)


def draw(
    title: str,
    series: Sequence[tuple[str, Points]],
    axis: Axis,
    words: Callable[[float], str],
    *,
    width: float = WIDTH,
    height: float = HEIGHT,
    limit: float | None = None,
) -> Chart:
    """A chart whose scale begins at 0 and ends at a round number above the largest value."""
    largest = max((value for _, points in series for _, value in points if value is not None), default=0.0)
    top = nice(largest)

    def y(value: float) -> float:
        return round(height - min(value, top) / top * (height - _TOP), 1)

    lines = tuple(
        Line(label, number, _path(points, axis, y, width), _latest(points, words))
        for number, (label, points) in enumerate(series)
    )
    return Chart(title, width, height, lines, words(top), y(limit) if limit and limit <= top else None)


def nice(value: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power > value:
        power /= 10
    while power * 10 <= value:
        power *= 10
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def fill(
    points: Points, axis: Axis, step_s: float, missing: float | None
) -> list[tuple[datetime, float | None]]:
    """One point for each stretch of `step_s` seconds, `missing` where there is none, but for the last."""
    known = dict(points)
    count = int((axis.until - axis.since).total_seconds() // step_s) + 1
    moments = [axis.since + timedelta(seconds=step_s * number) for number in range(count)]
    points = [(at, known.get(at, missing)) for at in moments]
    if points and points[-1][0] not in known:
        # What has just begun may still get a value.
        points[-1] = (points[-1][0], None)
    return points


def _path(points: Points, axis: Axis, y: Callable[[float], float], width: float) -> str:
    parts: list[str] = []
    pen_down = False
    for at, value in points:
        place = axis.x(at)
        if value is None or not 0 <= place <= 1:
            pen_down = False
            continue
        parts.append(f"{'L' if pen_down else 'M'}{round(place * width, 1)} {y(value)}")
        if not pen_down:
            # A point without neighbours is a dot: a line of no length with round ends.
            parts.append("h0")
        pen_down = True
    return "".join(parts)


def _latest(points: Points, words: Callable[[float], str]) -> str:
    value = next((value for _, value in reversed(points) if value is not None), None)
    return "" if value is None else words(value)
