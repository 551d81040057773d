"""A day is built when it is over in every table, and once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cdc.model.days import closed_until, days_to_build, waiting_for
from cdc.model.watermark import Watermark

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


def mark(table: str, until: datetime | None, sink: str = "warehouse", doubt: str = "") -> Watermark:
    return Watermark("shop", table, sink, 1, until, NOON, doubt)


def test_the_slowest_table_decides() -> None:
    known = [mark("orders", NOON), mark("items", NOON - timedelta(hours=13))]
    assert closed_until(["orders", "items"], "warehouse", known) == NOON - timedelta(hours=13)


def test_nothing_is_closed_while_one_table_is_in_doubt_or_unknown() -> None:
    assert closed_until(["orders", "items"], "warehouse", [mark("orders", NOON)]) is None
    assert closed_until(["orders"], "warehouse", [mark("orders", NOON, doubt="parked")]) is None
    assert closed_until(["orders"], "warehouse", [mark("orders", None)]) is None
    assert closed_until(["orders"], "warehouse", [mark("orders", NOON, sink="clickhouse")]) is None


def test_a_day_ends_at_midnight_and_not_before() -> None:
    midnight = datetime(2026, 3, 5, tzinfo=UTC)
    days = [date(2026, 3, 4), date(2026, 3, 5)]
    assert days_to_build(days, midnight, ()) == [date(2026, 3, 4)]
    assert days_to_build(days, midnight - timedelta(microseconds=1), ()) == []


@given(
    st.sets(st.dates(date(2026, 1, 1), date(2026, 1, 9))),
    st.sets(st.dates(date(2026, 1, 1), date(2026, 1, 9))),
    st.lists(st.integers(0, 24 * 9), min_size=1),
)
def test_each_day_is_built_exactly_once_however_the_watermark_moves(
    candidates: set[date], built: set[date], hours: list[int]
) -> None:
    done = set(built)
    for hour in hours:
        closed = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
        for day in days_to_build(candidates, closed, done):
            assert day not in done
            assert datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1) <= closed
            done.add(day)
    latest = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=max(hours))
    over = {
        d for d in candidates if datetime.combine(d, datetime.min.time(), UTC) + timedelta(days=1) <= latest
    }
    assert done == built | over


def test_what_is_waited_for_is_said() -> None:
    known = [mark("orders", None), mark("items", NOON, doubt="the table is parked: x")]
    said = waiting_for(["orders", "items", "more"], "warehouse", known)
    assert "orders: the source does not tell" in said
    assert "items: the table is parked" in said
    assert "more: not proven yet" in said
