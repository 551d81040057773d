"""What a sink can hold beyond its types' names: the range of days, and whether infinity is a day."""

from __future__ import annotations

from dataclasses import dataclass

MICROS_PER_DAY = 86_400_000_000
INFINITE_DAYS = (-(2**31), 2**31 - 1)
"""How -infinity and infinity travel in a date column."""
INFINITE_MICROS = (-(2**63), 2**63 - 1)
"""How -infinity and infinity travel in a timestamp column."""


@dataclass(frozen=True)
class Limits:
    """The days that a sink holds exactly.

    Attributes:
        days: the first and the last day of a date, counted from 1970-01-01.
        micros: the first and the last microsecond of a timestamp, counted from 1970-01-01T00:00Z.
        infinite: -infinity and infinity are held as well.
        words: the range for a person.
        takes_text: a value that does not travel in its type is written as PostgreSQL's own text of it.
    """

    days: tuple[int, int]
    micros: tuple[int, int]
    infinite: bool
    words: str
    takes_text: bool = False


CLICKHOUSE = Limits(
    days=(-25_567, 120_529),
    micros=(-25_567 * MICROS_PER_DAY, 120_530 * MICROS_PER_DAY - 1),
    infinite=False,
    words="1900-01-01 to 2299-12-31",
)
"""ClickHouse's Date32 and DateTime64 (its documentation, "Date32")."""

POSTGRES = Limits(
    days=(-2_440_588, 2_145_042_905),
    micros=(-210_866_803_200_000_000, INFINITE_MICROS[1] - 1),
    infinite=True,
    words="4714-11-24 BC to 5874897-12-31 (a timestamp: to 294247-01-10T04:00:54)",
    takes_text=True,
)
"""PostgreSQL's own range, but for its last 29 years of timestamps, which 64 bits from 1970 do not reach:
these are written as text."""
