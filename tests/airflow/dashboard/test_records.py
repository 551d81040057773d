"""Incidents, messages, bounded runs, reports, upkeep, pauses, approvals: on the page, as JSON, as metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.airflow.dashboard.conftest import Served, batch, wait_for
from tests.airflow.dashboard.happenings import LONG, NASTY, forget_happenings, record_happenings

PAGE = "/cdc/pipelines/ecommerce"


@pytest.fixture(scope="module", autouse=True)
def happened(served: Served) -> Iterator[None]:
    record_happenings(served.ops, datetime.now(UTC))
    yield
    forget_happenings(served.ops)


@pytest.fixture
def found(served: Served):
    def read():
        return served.client("vera").get("/cdc/api/pipelines/ecommerce?window=6h").json()

    return wait_for(read, lambda page: page["reconciliations"] and page["paused"] and page["incidents"])


def test_an_open_incident_says_what_since_when_what_to_do_and_who_was_told(found) -> None:
    (one,) = found["incidents"]
    assert one["level"] == "breach"
    assert NASTY in one["sentence"]
    assert one["lasted"] == "37 min"
    assert one["figures"] == [["offsets_behind", "12"]]
    assert one["runbook"] == "query … runs, but … is parked there"
    assert [(m["by"], m["to"], m["failed"]) for m in one["told"]] == [
        ("mail", "data-platform@example.com", False),
        ("webhook", "cdc_hook", True),
    ]
    assert found["open_incidents"] == 1


def test_an_incident_that_is_over_says_how_long_it_was_and_what_is_well_again(found) -> None:
    (one,) = found["past_incidents"]
    assert one["lasted"] == "12 min"
    assert "0.4 MB retained" in one["ending"]


def test_a_message_that_did_not_get_there_is_named_with_the_reason(found) -> None:
    (one,) = found["undelivered"]
    assert (one["by"], one["to"]) == ("webhook", "cdc_hook")
    assert one["outcome"] == f"failed 1 time(s), it is sent again: HTTP 500: {NASTY}"


def test_runs_say_how_far_they_are_and_one_that_was_killed_is_broken_off(found) -> None:
    runs = {run["table"]: run for run in found["runs"]}
    assert {table: run["state"] for table, run in runs.items()} == {
        "orders_fact": "running",
        "order_items": "failed",
        "products": "done",
        "customers": "broken off",
    }
    going_on = runs["orders_fact"]
    assert (going_on["done"], going_on["estimate"], going_on["share"]) == (90_000, 240_000, 0.375)
    assert going_on["part"] == f"where status = '{NASTY}'"
    assert going_on["took"] == "12 min"
    failed = runs["order_items"]
    assert (failed["bad"], failed["unit"], failed["took"]) == (3, "events", "60 s")
    assert "does not answer" in failed["message"]
    assert runs["customers"]["part"] == "every row, by a snapshot"


def test_reports_say_what_was_compared_what_differed_what_was_mended_and_which_keys(found) -> None:
    reports = {report["table"]: report for report in found["reconciliations"]}
    assert set(reports) == {"products", "customers", "order_items", "orders_fact"}
    left = reports["order_items"]
    assert (left["equal"], left["settled"], left["lsn"]) == (False, False, "1/6B374D84")
    sinks = {sink["sink"]: sink for sink in left["sinks"]}
    assert sinks["clickhouse"]["kinds"] == [["differing", 1], ["missing", 2]]
    assert (sinks["clickhouse"]["repaired"], sinks["clickhouse"]["left"]) == (0, 3)
    assert sinks["warehouse"]["skipped"] == "it is parked there"
    assert [key["key"] for key in left["keys"]] == [f"7, {NASTY}", "8, x"]
    assert left["keys"][0]["column"] == "status"
    assert reports["customers"]["settled"]
    assert reports["orders_fact"]["window"] == ["2026-03-01 00:00", "2026-03-02 00:00"]


def test_upkeep_says_what_it_did_to_each_table_and_what_it_left_and_why(served: Served, found) -> None:
    rows = {(row["place"], row["table"]): row for row in found["maintenance"]}
    assert {place: row["outcome"] for place, row in rows.items()} == {
        ("Kafka", ""): "not ok",
        ("clickhouse", "orders_fact"): "done",
        ("clickhouse", "order_items"): "not done",
        ("clickhouse", LONG): "in part",
        ("warehouse", "orders_fact"): "done",
        ("warehouse", "order_items"): "not done",
        ("ops store", ""): "nothing to do",
    }
    merged = rows["clickhouse", "orders_fact"]
    assert (merged["before"]["parts"], merged["after"]["parts"]) == (34, 1)
    assert merged["merged_bytes"] == merged["before"]["bytes"] == 3_200_000_000
    assert merged["run"].startswith("cdc_clickhouse_maintenance scheduled__")
    assert merged["took"] == "4 min"
    assert "left of the budget" in rows["clickhouse", "order_items"]["left"][0]
    text = served.client("vera").get(PAGE).text
    card = text[text.index('id="maintenance"') :]
    for figure in ("34 → 1", "12.40 M → 10.00 M", "1,200 → 0", "3.0 GB → 2.3 GB"):
        assert f"<td>{figure}</td>" in card
    assert "3,200,000,000 bytes are more than the 12 that are left of the budget" in card
    assert "<code>retention.ms</code>" in card


def test_what_happened_is_on_the_axis_of_the_charts(found) -> None:
    kinds = {event["kind"] for event in found["events"]}
    assert {"incident", "over", "run", "failed run", "difference", "not told", "stop"} <= kinds


def test_a_paused_stream_is_told_and_alarms_nobody(served: Served) -> None:
    """Its dot is no warning once everything else is well, and what waits for it is no lag."""
    ended = datetime.now(UTC)
    for stream, table in (("products", "products"), ("customers", "customers")):
        for sink in ("clickhouse", "warehouse"):
            served.ops.record_progress(batch(sink, 1, ended, stream=stream, table=table))

    def read():
        return served.client("vera").get("/cdc/api/pipelines/ecommerce").json()

    page = wait_for(read, lambda page: page["streams"][0]["queries"][0]["level"] == "ok")
    assert page["paused"] == ["products"]
    stream = next(stream for stream in page["streams"] if stream["name"] == "products")
    assert stream["paused_at"]
    assert all(query["meant"] and query["level"] == "warn" for query in stream["queries"])
    text = served.client("anna").get(PAGE).text
    assert "paused since" in text
    card = text[text.index('data-stream="products"') :]
    first = re.search(r'name="action" value="(\w+)"', card)
    assert first is not None
    assert first.group(1) == "resume"
    assert "products paused" in served.client("vera").get("/cdc/").text


@pytest.fixture
def question(served: Served) -> Iterator[str]:
    """A run of `cdc_resync` that has asked; the task itself runs in the tests of a whole stack."""
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy import select

    conf = {"pipeline": "ecommerce", "table": "order_items"}
    body = {"conf": conf, "logical_date": None}
    run_id: str = (
        served.client("anna").post("/api/v2/dags/cdc_resync/dagRuns", json=body).json()["dag_run_id"]
    )
    with create_session() as session:
        own = select(TaskInstance).where(TaskInstance.run_id == run_id)
        task = session.scalars(own.where(TaskInstance.task_id == "ecommerce.approve_resync")).one()
        task.state = TaskInstanceState.AWAITING_INPUT
        session.add(HITLDetail(ti_id=task.id, options=["Approve", "Reject"], subject=f"{NASTY}?", body="b"))
    yield run_id
    served.client("anna").delete(f"/api/v2/dags/cdc_resync/dagRuns/{run_id}")


def test_a_question_that_waits_is_a_link_to_the_page_where_it_is_answered(
    served: Served, question: str
) -> None:
    def read():
        return served.client("vera").get("/cdc/api/pipelines/ecommerce").json()

    (one,) = wait_for(read, lambda page: page["approvals"])["approvals"]
    assert (one["table"], one["subject"]) == ("order_items", f"{NASTY}?")
    assert one["path"].startswith("/dags/cdc_resync/runs/manual__")
    assert one["path"].endswith("/tasks/ecommerce.approve_resync/required_actions?map_index=-1")
    text = served.client("vera").get(PAGE).text
    assert f'href="http://airflow.example:8080{one["path"]}"' in text
    assert "<script>alert" not in text
    metrics = served.client("vera").get("/cdc/metrics").text
    assert 'cdc_approvals_waiting{pipeline="ecommerce"} 1' in metrics


def test_nothing_that_was_recorded_is_markup(served: Served, found) -> None:
    text = served.client("vera").get(f"{PAGE}?window=6h").text
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(") >= 10


def window_figures(page):
    own = '{pipeline="ecommerce"'
    yield f"cdc_rows_in_window{own}}} {page['rows_in']['value']}"
    for row in page["tables"]:
        if row["batches"]["value"]:
            labels = f'{own},table="{row["table"]}",sink="{row["sink"]}"}}'
            yield f"cdc_batches_window{labels} {row['batches']['value']}"


def test_metrics_have_the_figures_of_the_page(served: Served, found) -> None:
    def read():
        client = served.client("vera")
        return client.get("/cdc/api/pipelines/ecommerce?window=6h").json(), client.get(
            "/cdc/metrics?window=6h"
        ).text

    # Each remembers its answer for some seconds, and the window moves on between them.
    _, text = wait_for(read, lambda both: all(line in both[1] for line in window_figures(both[0])))
    own = '{pipeline="ecommerce"'
    assert f"cdc_incidents_open{own}}} 1" in text
    assert f"cdc_messages_undelivered{own}}} 1" in text
    assert f'cdc_query_paused{own},stream="products",sink="warehouse"}} 1' in text
    assert f'cdc_query_paused{own},stream="orders",sink="warehouse"}} 0' in text
    assert f'cdc_reconciliation_left{own},table="order_items",sink="clickhouse"}} 3' in text
    merged = f'{own},place="clickhouse",table="orders_fact"}}'
    assert f"cdc_maintenance_merged_bytes{merged} 3200000000" in text
    (ended,) = re.findall(
        rf"^cdc_maintenance_timestamp_seconds{re.escape(merged)} (\S+)$", text, re.MULTILINE
    )
    (at,) = [
        r["at"] for r in found["maintenance"] if (r["place"], r["table"]) == ("clickhouse", "orders_fact")
    ]
    assert float(ended) == pytest.approx(datetime.fromisoformat(at).timestamp(), abs=1)
    assert f'cdc_maintenance_left{own},place="clickhouse",table="order_items"}} 1' in text
    assert f'cdc_maintenance_left{own},place="Kafka",table=""}} 1' in text
    (run,) = re.findall(r'cdc_run_done\{[^}]*kind="backfill",table="orders_fact"\} (\d+)', text)
    assert int(run) == 90_000
