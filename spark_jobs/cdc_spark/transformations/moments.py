"""Dates and times as Debezium sends them → Arrow, far years and infinity included."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cdc_spark.transformations.limits import INFINITE_DAYS, INFINITE_MICROS, MICROS_PER_DAY, Limits

_MOMENT = re.compile(r"^([+-]?\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z$")
_INFINITE_DATES = {
    -2_147_472_691: INFINITE_DAYS[0],
    -625_821_272: INFINITE_DAYS[0],
    2_146_033_979: INFINITE_DAYS[1],
    -622_191_234: INFINITE_DAYS[1],
}
"""What Debezium makes of infinite dates, in a stream and in a snapshot: days that no date can be."""
INFINITE_DATE = {"-infinity": -2_147_472_691, "infinity": 2_146_033_979}
"""Those of a stream."""


class OutOfRangeError(ValueError):
    """The value is of the declared type, but the sink cannot hold it."""


def dates(days: pa.Array, limits: Limits) -> pa.Array:
    """Days since 1970-01-01 as dates.

    Raises:
        OutOfRangeError: the sink does not hold some day.
    """
    days = days.cast(pa.int32())
    if not _within(days, limits.days):
        mapped = [_INFINITE_DATES.get(day, day) for day in days.to_pylist()]
        days = _checked(pa.array(mapped, pa.int32()), limits.days, INFINITE_DAYS, limits)
    return days.view(pa.date32())


def timestamps(micros: pa.Array, limits: Limits) -> pa.Array:
    """Microseconds since 1970-01-01 as timestamps; the ends of the 64 bits are infinite.

    Raises:
        OutOfRangeError: the sink does not hold some moment.
    """
    checked = _checked(micros.cast(pa.int64()), limits.micros, INFINITE_MICROS, limits)
    return checked.view(pa.timestamp("us"))


def zoned_timestamps(values: Sequence[Any], limits: Limits) -> pa.Array:
    """ISO 8601 moments in UTC as timestamps.

    Raises:
        OutOfRangeError: the sink does not hold some moment.
        ValueError: some text is no moment.
    """
    text = pa.array(values, pa.string())
    try:
        micros = text.cast(pa.timestamp("us", tz="UTC")).view(pa.int64())
    except pa.ArrowInvalid:
        # Arrow reads four digits of a year.
        micros = pa.array([None if v is None else moment_micros(v) for v in text.to_pylist()], pa.int64())
    return _checked(micros, limits.micros, INFINITE_MICROS, limits).view(pa.timestamp("us", tz="UTC"))


def moment_micros(text: str) -> int:
    """An ISO 8601 moment in UTC, of any year, as microseconds since 1970-01-01T00:00Z.

    Raises:
        ValueError: the text is none.
        OutOfRangeError: it is beyond 64 bits.
    """
    if text in ("infinity", "-infinity"):
        return INFINITE_MICROS[text == "infinity"]
    micros = far_moment_micros(text)
    if not INFINITE_MICROS[0] < micros < INFINITE_MICROS[1]:
        raise OutOfRangeError("the moment is beyond 294247-01-10T04:00:54, where 64 bits of microseconds end")
    return micros


def far_moment_micros(text: str) -> int:
    """A finite moment in UTC as microseconds, which 64 bits need not hold.

    Raises:
        ValueError: the text is none.
    """
    match = _MOMENT.match(text)
    if match is None:
        raise ValueError("the text is no moment in UTC such as 2026-01-02T03:04:05.123456Z")
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    seconds = days_of(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
    return seconds * 1_000_000 + int((match[7] or "").ljust(6, "0"))


def days_of(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a day of the proleptic Gregorian calendar; the year before 1 is 0."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def day_text(days: int) -> tuple[str, str]:
    """A day in PostgreSQL's text form, and the suffix that follows the time of a day before year 1."""
    era, of_era = divmod(days + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    months = (5 * of_year + 2) // 153
    month = months + (3 if months < 10 else -9)
    year = year_of_era + era * 400 + (month <= 2)
    day = of_year - (153 * months + 2) // 5 + 1
    return f"{year if year > 0 else 1 - year:04}-{month:02}-{day:02}", "" if year > 0 else " BC"


def time_text(micros: int) -> str:
    """A time of day in PostgreSQL's own text form, which has no trailing zeros.

    Raises:
        ValueError: not between 00:00:00 and 24:00:00.
    """
    if type(micros) is not int or not 0 <= micros <= MICROS_PER_DAY:
        raise ValueError("the number is no time of day in microseconds")
    seconds, fraction = divmod(micros, 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}".rstrip("0") if fraction else text


def _checked(numbers: pa.Array, ends: tuple[int, int], infinite: tuple[int, int], limits: Limits) -> pa.Array:
    if not _within(numbers, ends):
        finite = numbers
        if limits.infinite:
            finite = numbers.filter(pc.invert(pc.is_in(numbers, pa.array(infinite, numbers.type))))
        if not _within(finite, ends):
            raise OutOfRangeError(f"the sink holds {limits.words}")
    return numbers


def _within(numbers: pa.Array, ends: tuple[int, int]) -> bool:
    extremes = pc.min_max(numbers).as_py()
    return extremes["min"] is None or (ends[0] <= extremes["min"] and extremes["max"] <= ends[1])
