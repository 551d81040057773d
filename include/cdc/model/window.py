"""A stretch of time by which rows are chosen: those whose table's `event_time` lies in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cdc.errors import ConfigurationError


@dataclass(frozen=True)
class Window:
    """From `begin` on, and before `end`; both have a time zone.

    A row without an event time is in no window.
    """

    begin: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse what holds no moment.

        Raises:
            ConfigurationError: a side has no time zone, or the end is not after the beginning.
        """
        if self.begin.tzinfo is None or self.end.tzinfo is None:
            raise ConfigurationError(f"a window needs time zones, received {self.begin} and {self.end}")
        if self.begin >= self.end:
            raise ConfigurationError(
                f"a window ends after it begins; received {self.begin} to {self.end}: exchange them"
            )

    @property
    def text(self) -> str:
        """`2026-03-01 00:00 to 2026-03-02 00:00 UTC`."""
        begin, end = (f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" for at in (self.begin, self.end))
        return f"{begin} to {end} UTC"


def parse_window(begin: str, end: str) -> Window:
    """A window from two ISO dates or times; UTC where they say no zone.

    Raises:
        ConfigurationError: one is missing or is no time.
    """
    return Window(_moment(begin, "the beginning"), _moment(end, "the end"))


def _moment(text: str, which: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{which} of the window is {text!r}; expected an ISO date or time such as 2026-03-01 or "
            "2026-03-01T06:00+01:00"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
