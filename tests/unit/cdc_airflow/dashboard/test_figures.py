"""A number carries its time, and is stale when that is long ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cdc_airflow.dashboard.figures import (
    NONE,
    age_figure,
    bytes_figure,
    count_figure,
    rate_figure,
    seconds_figure,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (count_figure(12345, NOW, NOW), "12,345"),
        (count_figure(12_345_678, NOW, NOW), "12.35 M"),
        (bytes_figure(5 * 2**20, NOW, NOW), "5.0 MB"),
        (rate_figure(0.1234, NOW, NOW), "0.12/s"),
        (rate_figure(1234.5, NOW, NOW), "1,234/s"),
        (seconds_figure(3661, NOW, NOW), "1 h 1 min"),
        (age_figure(NOW - timedelta(seconds=5), NOW, NOW), "5.0 s ago"),
    ],
)
def test_in_words_and_fresh(figure, text: str) -> None:
    assert figure.text == text
    assert figure.value is not None
    assert not figure.stale


def test_stale_when_the_sample_is_old_and_when_there_is_none() -> None:
    assert count_figure(1, NOW - timedelta(seconds=31), NOW).stale
    assert not count_figure(1, NOW - timedelta(seconds=31), NOW, limit_s=60).stale
    assert count_figure(1, None, NOW).stale
    assert count_figure(None, NOW, NOW).text == NONE
