"""Prometheus reads what hostile names and odd numbers become."""

from __future__ import annotations

import math

import pytest

from cdc_airflow.dashboard.exposition import Gauge, Sample, expose


def test_a_gauge_has_its_help_its_type_and_a_line_for_each_sample() -> None:
    gauge = Gauge("cdc_x", "What it is", (Sample({"a": "1", "b": "2"}, 3), Sample({}, 0.25)))
    assert expose([gauge]) == (
        '# HELP cdc_x What it is\n# TYPE cdc_x gauge\ncdc_x{a="1",b="2"} 3\ncdc_x 0.25\n'
    )


def test_a_gauge_without_samples_is_left_out() -> None:
    assert expose([Gauge("cdc_x", "", ())]) == ""


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ('a"b', r"a\"b"),
        ("a\\b", r"a\\b"),
        ("a\nb", r"a\nb"),
        ('\\"\n', r"\\\"\n"),
        ('x"} 1\ncdc_y{', r"x\"} 1\ncdc_y{"),
    ],
)
def test_label_values_stay_within_their_quotes(value: str, escaped: str) -> None:
    text = expose([Gauge("cdc_x", "", (Sample({"table": value}, 1),))])
    assert text.splitlines()[-1] == f'cdc_x{{table="{escaped}"}} 1'
    assert len(text.splitlines()) == 3


def test_help_escapes_line_breaks_and_backslashes_only() -> None:
    text = expose([Gauge("cdc_x", 'a"b\n\\', (Sample({}, 1),))])
    assert text.splitlines()[0] == '# HELP cdc_x a"b\\n\\\\'


@pytest.mark.parametrize(
    ("value", "text"),
    [(math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (1e18, "1" + "0" * 18), (-0.5, "-0.5")],
)
def test_numbers(value: float, text: str) -> None:
    assert expose([Gauge("cdc_x", "", (Sample({}, value),))]).splitlines()[-1] == f"cdc_x {text}"
