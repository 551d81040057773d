"""The mail says what, since when, with which figures, and what to do; data in it stays data."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from cdc.model.health import Alarm, Level, Verdict
from cdc_airflow.findings import CheckFailedError, Finding
from cdc_airflow.notifications.message import Failure, Place, build_message

AT = datetime(2026, 3, 1, 13, 0, tzinfo=UTC)
LATE = Finding(
    Verdict(
        Level.BREACH,
        subject="query ecommerce.orders.clickhouse",
        sentence="query ecommerce.orders.clickhouse has made no progress for 400 s (limit 120 s)",
        figures={"age_s": 400, "max_age_s": 120},
        todo="Run the stream's DAG.",
        since=datetime(2026, 3, 1, 12, 53, 20, tzinfo=UTC),
        alarm=Alarm.QUERY_SILENT,
    )
)
UNKNOWN = Finding(Verdict(Level.UNKNOWN, "slot", "slot could not be checked", todo="wait"))
FINE = Finding(Verdict(Level.OK, "connector", "connector runs"))
FAILURE = Failure(
    pipelines=("ecommerce",),
    place=Place(
        "cdc_health", "ecommerce.check_queries_orders", "manual__1", "http://airflow.example/log?a=1&b=2"
    ),
    error=CheckFailedError([FINE, UNKNOWN, LATE]),
    at=AT,
)


def test_says_what_since_when_figures_and_what_to_do() -> None:
    message = build_message(FAILURE)
    assert message.subject.startswith(
        "[CDC ecommerce] BREACH: query ecommerce.orders.clickhouse has made no progress"
    )
    for text in (
        "2026-03-01 12:53:20 UTC",
        "age_s = 400",
        "max_age_s = 120",
        "Run the stream&#x27;s DAG.",
        "cdc_health",
        "docs/operations.md, “query … has made no progress for … s”",
    ):
        assert text in message.html
    assert "?a=1&amp;b=2" in message.html


def test_the_worst_comes_first_and_what_is_well_is_left_out() -> None:
    html = build_message(FAILURE).html
    assert html.index("has made no progress") < html.index("slot could not be checked")
    assert "connector runs" not in html


def test_without_a_time_of_its_own_a_finding_is_bad_since_it_was_seen() -> None:
    assert "2026-03-01 13:00:00 UTC (first seen)" in build_message(FAILURE).html


def test_any_other_error_is_told_with_its_full_text() -> None:
    message = build_message(replace(FAILURE, error=RuntimeError("cannot submit\nYARN says: no memory")))
    assert message.subject == "[CDC ecommerce] BREACH: ecommerce.check_queries_orders failed: cannot submit"
    assert "YARN says: no memory" in message.html


def test_a_task_that_left_no_error_is_told_too() -> None:
    assert "may have been killed" in build_message(replace(FAILURE, error=None)).html


def test_markup_and_templates_in_data_stay_text() -> None:
    evil = replace(LATE.verdict, subject="<script>", sentence="{{ 7*7 }} <b>\nx" + "y" * 300)
    message = build_message(replace(FAILURE, error=CheckFailedError([Finding(evil, detail="</pre><i>")])))
    assert "<script>" not in message.html
    assert "{{ 7*7 }} &lt;b&gt;" in message.html
    assert "</pre><i>" not in message.html
    assert "\n" not in message.subject
    assert len(message.subject) == 120


def test_a_figure_that_is_not_known_says_so() -> None:
    finding = Finding(replace(LATE.verdict, figures={"age_s": None}))
    assert "age_s = not known" in build_message(replace(FAILURE, error=CheckFailedError([finding]))).html


class TestWebhook:
    """What Slack's incoming webhooks take: https://api.slack.com/messaging/webhooks."""

    def test_says_the_same_in_a_text_and_in_blocks(self) -> None:
        payload = json.loads(build_message(FAILURE).payload)
        assert payload["text"].startswith("[CDC ecommerce] BREACH: query ecommerce.orders.clickhouse")
        header, first, second, where = payload["blocks"]
        assert header["text"] == {"type": "plain_text", "text": payload["text"]}
        assert "*What to do*: Run the stream's DAG." in first["text"]["text"]
        assert "slot could not be checked" in second["text"]["text"]
        assert "<http://airflow.example/log?a=1&b=2|task log>" in where["elements"][0]["text"]

    def test_markup_in_data_stays_text_and_lengths_are_kept(self) -> None:
        evil = replace(LATE.verdict, subject="<!channel>", sentence="<http://evil|x> & " + "y" * 5000)
        payload = json.loads(build_message(replace(FAILURE, error=CheckFailedError([Finding(evil)]))).payload)
        section = payload["blocks"][1]["text"]["text"]
        assert "&lt;!channel&gt;" in section
        assert "&lt;http://evil|x&gt; &amp; " in section
        assert len(section) <= 3000
        assert len(payload["blocks"][0]["text"]["text"]) <= 150
        assert "<http://evil" not in payload["text"]
