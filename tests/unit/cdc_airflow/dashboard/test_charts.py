"""What lines look like is decided without a browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cdc_airflow.dashboard.charts import Axis, draw, fill, nice

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
AXIS = Axis(BEGIN, BEGIN + timedelta(seconds=100))


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def test_a_line_goes_from_the_ground_to_the_top_of_a_round_scale() -> None:
    chart = draw("t", [("a", [(at(0), 0.0), (at(100), 8.0)])], AXIS, str, width=200, height=54)
    assert chart.top == "10.0"
    assert chart.lines[0].path == "M0.0 54.0h0L200.0 14.0"
    assert chart.lines[0].latest == "8.0"


def test_a_gap_is_not_drawn_over_and_what_lies_outside_is_left_out() -> None:
    points = [(at(-5), 1.0), (at(10), 1.0), (at(20), None), (at(30), 1.0), (at(40), 1.0)]
    path = draw("t", [("a", points)], AXIS, str, width=100, height=54).lines[0].path
    assert path.count("M") == 2
    assert path.count("L") == 1
    assert path.startswith("M10.0 ")


def test_a_limit_beyond_the_scale_is_not_drawn() -> None:
    low, high = (draw("t", [("a", [(at(0), value)])], AXIS, str, limit=120).limit_y for value in (3.0, 300.0))
    assert low is None
    assert high is not None


def test_nothing_measured_is_empty() -> None:
    assert draw("t", [("a", [(at(1), None)])], AXIS, str).empty
    assert not draw("t", [("a", [(at(1), 0.0)])], AXIS, str).empty


def test_every_stretch_that_is_over_has_a_point() -> None:
    assert fill([(at(50), 2.0)], AXIS, 50, 0.0) == [(at(0), 0.0), (at(50), 2.0), (at(100), None)]


@pytest.mark.parametrize(("value", "top"), [(0, 1), (0.03, 0.05), (1, 1), (1.1, 2), (7, 10), (320, 500)])
def test_round_scales(value: float, top: float) -> None:
    assert nice(value) == pytest.approx(top)
