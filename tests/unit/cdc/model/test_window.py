"""Windows of time: what is given as text, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cdc.errors import ConfigurationError
from cdc.model.window import Window, parse_window


def test_a_date_is_its_midnight_in_utc_and_a_zone_is_heeded() -> None:
    window = parse_window("2026-03-01", "2026-03-02T06:00+02:00")
    assert window == Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, 4, tzinfo=UTC))
    assert window.text == "2026-03-01 00:00 to 2026-03-02 04:00 UTC"


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [
        ("2026-03-02", "2026-03-02", "ends after it begins"),
        ("2026-03-02", "2026-03-01", "exchange them"),
        ("soon", "2026-03-01", "the beginning of the window is 'soon'; expected an ISO date"),
        ("2026-03-01", "", "the end of the window is ''"),
    ],
)
def test_what_is_no_window_is_refused(begin: str, end: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_window(begin, end)


def test_a_moment_without_a_zone_is_none() -> None:
    with pytest.raises(ConfigurationError, match="needs time zones"):
        Window(datetime(2026, 1, 1), datetime(2026, 1, 2))  # noqa: DTZ001 - that is the point
