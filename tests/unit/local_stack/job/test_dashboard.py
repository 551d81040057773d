"""The live screen, as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

from rich.console import Console

from local_stack.generator import Totals
from local_stack.job.dashboard import View, addresses_from, line, render
from local_stack.job.sample import Sample, SinkSample, TableSample, measure_lag

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SINKS = ("clickhouse", "warehouse")
ENV = {
    "AIRFLOW_URL": "http://127.0.0.1:18080",
    "AIRFLOW_USER": "admin",
    "AIRFLOW_PASSWORD": "secret[1]",
    "YARN_RM_URL": "http://127.0.0.1:18088",
    "KAFKA_CONNECT_URL": "http://127.0.0.1:18083",
}


def view(clickhouse: SinkSample, warehouse: SinkSample, problems: tuple[str, ...] = ()) -> View:
    table = TableSample(
        "public.orders", "orders_fact", "orders", "running", 1234,
        {"clickhouse": clickhouse, "warehouse": warehouse},
    )  # fmt: skip
    addresses = addresses_from(ENV, {"cdc-ecommerce-orders": "http://127.0.0.1:18088/proxy/application_1_1/"})
    return View(83.0, 50.0, Totals(10, 20, 5, 3), Sample(NOW, (table,), problems), addresses)


def drawn(shown: View) -> str:
    text = StringIO()
    console = Console(file=text, width=160, force_terminal=False)
    console.print(render(shown, SINKS))
    return text.getvalue()


def test_it_shows_rows_on_each_side_lag_state_changes_and_addresses():
    text = drawn(view(SinkSample(1234, 0, 0.0), SinkSample(1200, 34, 2.5)))
    for expected in (
        "1:23", "35 changes at 50/s", "10 inserted, 20 updated, 5 deleted", "orders_fact", "1,234", "1,200",
        "2.5 s, 34 behind", "orders: running", "http://127.0.0.1:18080", "user admin, password secret[1]",
        "Spark UI of cdc-ecommerce-orders", "http://127.0.0.1:18083", "Ctrl+C",
    ):  # fmt: skip
        assert expected in text


def test_a_side_that_does_not_answer_is_a_dash_and_a_sentence():
    text = drawn(view(SinkSample(None, None, None), SinkSample(5, 0, 0.0), ("clickhouse: refused",)))
    assert "–" in text
    assert "clickhouse: refused" in text


def test_without_a_terminal_it_is_one_line():
    text = line(view(SinkSample(1234, 0, 0.0), SinkSample(1200, 34, 2.5), ("Kafka: away",)), SINKS)
    assert text == (
        "1:23 35 changes | orders_fact 1,234 → clickhouse 1,234 (0), warehouse 1,200 (2.5 s, 34 behind)"
        " | Kafka: away"
    )


ENDS = {"t": {0: 10, 1: 5}}


class TestLag:
    def test_nothing_behind_is_no_lag_however_old_the_last_change_is(self):
        assert measure_lag("t", ENDS, ENDS, NOW - timedelta(days=1), NOW) == (0, 0.0)

    def test_behind_counts_events_and_the_age_of_the_newest_change_carried(self):
        behind = measure_lag("t", {"t": {0: 7}}, ENDS, NOW - timedelta(seconds=4), NOW)
        assert behind == (8, 4.0)

    def test_unknown_is_not_zero(self):
        assert measure_lag("t", None, ENDS, None, NOW) == (None, None)
        assert measure_lag("other", ENDS, ENDS, None, NOW) == (None, None)


def test_first_rows_need_every_sink_but_not_an_empty_table():
    def sample(*tables: tuple[int, int]) -> Sample:
        entries = tuple(
            TableSample("s", "t", "x", "", rows, {"one": SinkSample(sink, 0, 0.0)}) for rows, sink in tables
        )
        return Sample(NOW, entries)

    assert sample((5, 1), (0, 0)).has_rows_everywhere
    assert not sample((5, 1), (3, 0)).has_rows_everywhere
    assert not sample((0, 0)).has_rows_everywhere
