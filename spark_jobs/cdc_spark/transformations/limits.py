"""What a sink can hold beyond its types' names: the range of days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

_EPOCH = date(1970, 1, 1)
_MICROS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class Limits:
    """The first and the last day that a sink holds exactly."""

    first_day: date
    last_day: date

    @property
    def days(self) -> tuple[int, int]:
        """Both ends as days since 1970-01-01."""
        return (self.first_day - _EPOCH).days, (self.last_day - _EPOCH).days

    @property
    def micros(self) -> tuple[int, int]:
        """Both ends as microseconds since 1970-01-01T00:00Z."""
        first, last = self.days
        return first * _MICROS_PER_DAY, (last + 1) * _MICROS_PER_DAY - 1


CLICKHOUSE = Limits(date(1900, 1, 1), date(2299, 12, 31))
"""ClickHouse's Date32 and DateTime64 (its documentation, "Date32")."""

POSTGRES = Limits(date(1, 1, 1), date(9999, 12, 31))
"""PostgreSQL holds more; these are the days that Spark and Arrow write and read without doubt."""
