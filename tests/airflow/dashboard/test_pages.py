"""The pages as the api-server mounts them: who may see and do what, and what is said of what is dead."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from tests.airflow.dashboard.conftest import Served, batch, wait_for

NASTY = "<script>alert('x')</script>"
PAGES = (
    "/cdc/",
    "/cdc/pipelines/ecommerce",
    "/cdc/api/pipelines",
    "/cdc/api/pipelines/ecommerce",
    "/cdc/metrics",
    "/cdc/static/dashboard.css",
    "/cdc/static/dashboard.js",
    "/cdc/static/nothing",
    "/cdc/docs",
    "/cdc/openapi.json",
    "/cdc/no/such/page",
)
RUNS = "/cdc/pipelines/ecommerce/dags/{}/runs"


def test_the_plugin_registers_a_page_and_an_application(airflow_home: Path) -> None:
    from airflow import plugins_manager

    (plugin,) = [one for one in plugins_manager.get_plugin_info() if one["name"] == "cdc_dashboard"]
    assert [(view["name"], view["href"]) for view in plugin["external_views"]] == [("CDC pipelines", "cdc/")]
    apps, _ = plugins_manager.get_fastapi_plugins()
    assert [app["url_prefix"] for app in apps if app["name"] == "CDC dashboard"] == ["/cdc"]


def test_loading_the_plugin_does_not_load_the_page(airflow_home: Path) -> None:
    """Every task's process loads plugins."""
    script = (
        "import sys\nfrom airflow import plugins_manager\nplugins_manager.ensure_plugins_loaded()\n"
        "print(sorted(n for n in sys.modules if n.startswith('cdc_airflow.dashboard')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_shown_without_a_login(served: Served, page: str) -> None:
    answer = served.client().get(page)
    assert answer.status_code == 401
    assert "ecommerce" not in answer.text
    forged = served.client(Authorization="Bearer x.y.z").get(page)
    assert forged.status_code in (401, 403)


def test_every_route_wants_a_login(served: Served) -> None:
    """Whatever is added to the application later."""
    from cdc_airflow.dashboard.app import router

    asked = 0
    for route in router.routes:
        assert isinstance(route, APIRoute)
        path = "/cdc" + re.sub(r"\{(\w+)(?::\w+)?\}", r"\1", route.path)
        for method in route.methods - {"HEAD", "OPTIONS"}:
            assert served.client().request(method, path).status_code == 401, (method, path)
            asked += 1
    assert asked >= 8


def test_a_browser_without_a_login_is_told_where_to_log_in(served: Served) -> None:
    answer = served.client(accept="text/html").get("/cdc/pipelines/ecommerce")
    assert answer.status_code == 401
    assert 'href="http://airflow.example:8080/auth/login"' in answer.text
    assert "ecommerce" not in answer.text


@pytest.mark.parametrize("dag_id", ["cdc_health", "cdc_stream_orders", "no_such_dag"])
def test_nothing_is_done_without_a_login(served: Served, dag_id: str) -> None:
    assert served.client().post(RUNS.format(dag_id), data={"token": "x"}).status_code == 401


def test_a_dead_component_is_a_red_dot_and_a_sentence(served: Served) -> None:
    for sink in ("clickhouse", "warehouse"):
        served.ops.record_progress(batch(sink, 99, datetime.now(UTC)))

    def read():
        (found,) = served.client("vera").get("/cdc/api/pipelines").json()["pipelines"]
        return found | {"dots": {dot["stage"]: dot for dot in found["dots"]}}

    found = wait_for(read, lambda page: "parked" in page["dots"]["query"]["sentence"])
    dots = found["dots"]
    assert list(dots) == ["slot", "connector", "topic backlog", "query", "sink"]
    assert dots["slot"]["level"] == dots["connector"]["level"] == "unknown"
    assert dots["sink"]["level"] == "breach"
    assert "sink clickhouse does not answer" in dots["sink"]["sentence"]
    assert "order_items is parked there" in dots["query"]["sentence"]
    assert found["worst"]["level"] == "breach"
    assert served.client("vera").get("/cdc/").status_code == 200


def test_figures_are_those_of_the_ops_store_each_with_its_time(served: Served) -> None:
    began = datetime.now(UTC)
    served.ops.record_progress(batch("warehouse", 100, began))
    served.ops.record_progress(batch("clickhouse", 100, began))

    def read():
        return served.client("vera").get("/cdc/api/pipelines/ecommerce").json()

    found = wait_for(
        read, lambda page: datetime.fromisoformat(page["streams"][2]["queries"][0]["latency"]["at"]) >= began
    )
    stream = next(stream for stream in found["streams"] if stream["name"] == "orders")
    query = next(query for query in stream["queries"] if query["sink"] == "warehouse")
    assert (query["in_batch"]["value"], query["before_batch"]["value"]) == (0.5, 1.5)
    assert (query["latency"]["value"], query["checkpoint"]["value"], query["input_rate"]["value"]) == (
        0.5,
        0.04,
        20.0,
    )
    assert not query["latency"]["stale"]
    row = next(r for r in found["tables"] if (r["table"], r["sink"]) == ("orders_fact", "warehouse"))
    assert row["inserted"]["value"] / row["batches"]["value"] == 5
    assert row["batches"]["value"] >= 60
    assert [(p["table"], p["sink"]) for p in found["parked_tables"]] == [("order_items", "warehouse")]
    assert found["dead_letters"][0]["open"] == 1
    assert found["reconciled"]["text"] == "never"
    proof = next(r for r in found["tables"] if (r["table"], r["sink"]) == ("orders_fact", "clickhouse"))
    assert proof["lsn"] == "0/1"
    kinds = {event["kind"] for event in found["events"]}
    assert {"launch", "parked", "dead letter"} <= kinds


def test_a_stream_is_healthy_stalls_and_is_healthy_again(served: Served) -> None:
    """By its progress alone: nothing else is known of its driver here."""
    query = "ecommerce.customers.clickhouse"
    tables = {"customers": {"inserted": 1, "updated": 0, "deleted": 0, "dead_letters": 0}}

    def progress(number: int, ended: datetime) -> None:
        done = replace(batch("clickhouse", number, ended), stream="customers", query=query, tables=tables)
        served.ops.record_progress(done)

    def level():
        page = served.client("vera").get("/cdc/api/pipelines/ecommerce").json()
        stream = next(stream for stream in page["streams"] if stream["name"] == "customers")
        return next(query for query in stream["queries"] if query["sink"] == "clickhouse")

    progress(1, datetime.now(UTC))
    wait_for(level, lambda card: card["level"] == "ok")
    served.ops.rows(
        "UPDATE cdc_ops.queries SET touched_at = now() - interval '3 hours' WHERE query = %s", (query,)
    )
    stalled = wait_for(level, lambda card: card["level"] == "breach")
    assert "has made no progress for 10" in stalled["sentence"]
    progress(2, datetime.now(UTC))
    wait_for(level, lambda card: card["level"] == "ok")


def test_the_newest_comparison_of_each_table_is_shown(served: Served) -> None:
    began = datetime.now(UTC)
    for table, equal in (("products", True), ("orders_fact", False)):
        served.ops.record_reconciliation("ecommerce", table, began, equal=equal, report={})
    try:
        found = wait_for(
            lambda: served.client("vera").get("/cdc/api/pipelines").json()["pipelines"][0],
            lambda page: page["reconciled"]["text"] != "never",
        )
        assert found["unequal"] == ["orders_fact"]
        assert served.client("vera").get("/cdc/pipelines/ecommerce").status_code == 200, "of another version"
    finally:
        served.ops.rows("DELETE FROM cdc_ops.reconciliations")


def test_names_from_a_source_are_text_and_no_markup(served: Served) -> None:
    page = served.client("vera").get("/cdc/pipelines/ecommerce")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert page.text.count("&lt;script&gt;alert(") >= 2
    assert "script-src 'self'" in page.headers["content-security-policy"]
    hosts = re.findall(r"""(?:src|href|action)=["'](?:\w+:)?//([^:/"']+)""", page.text)
    assert set(hosts) <= {"airflow.example", "127.0.0.1"}


def test_metrics_are_prometheus_text(served: Served) -> None:
    answer = served.client("vera").get("/cdc/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    line = re.compile(r'^[a-z_]+\{[a-z]+="(?:[^"\\]|\\.)*"(?:,[a-z]+="(?:[^"\\]|\\.)*")*\} -?[0-9.e+]+$')
    lines = [one for one in answer.text.splitlines() if not one.startswith("#")]
    assert [one for one in lines if not line.match(one)] == []
    assert 'cdc_stage_level{pipeline="ecommerce",stage="sink"} 2' in lines
    assert 'cdc_dead_letters_open{pipeline="ecommerce",table="orders_fact",sink="warehouse"} 1' in lines
    assert 'cdc_parked{pipeline="ecommerce",table="order_items",sink="warehouse"} 1' in lines


def test_an_unknown_window_or_pipeline_is_refused(served: Served) -> None:
    client = served.client("vera")
    assert client.get("/cdc/?window=9y").status_code == 422
    assert client.get("/cdc/pipelines/other").status_code == 404


def page_token(served: Served, user: str) -> str:
    page = served.client(user).get("/cdc/pipelines/ecommerce").text
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found is not None
    return found.group(1)


def runs_of(served, dag_id):
    return served.client("anna").get(f"/api/v2/dags/{dag_id}/dagRuns").json()["dag_runs"]


def test_a_button_triggers_its_dag_with_its_parameters(served: Served) -> None:
    form = {"token": page_token(served, "anna"), "action": "restart"}
    answer = served.client("anna", Origin="http://airflow.example:8080").post(
        RUNS.format("cdc_stream_orders"), data=form, follow_redirects=False
    )
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/cdc/pipelines/ecommerce?window=1h"
    (run,) = runs_of(served, "cdc_stream_orders")
    assert (run["conf"], run["run_type"], run["triggering_user_name"]) == (
        {"action": "restart"},
        "manual",
        "anna",
    )


@pytest.mark.parametrize("dag_id", ["cdc_schema", "cdc_reconciliation", "cdc_clickhouse_maintenance"])
def test_a_button_is_about_its_own_pipeline(served: Served, dag_id: str) -> None:
    form = {"token": page_token(served, "anna")}
    answer = served.client("anna").post(RUNS.format(dag_id), data=form, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    # Other tests run these DAGs too, on the same Airflow.
    (run,) = [run for run in runs_of(served, dag_id) if run["triggering_user_name"] == "anna"]
    assert run["conf"] == {"pipeline": "ecommerce"}


@pytest.mark.parametrize(
    ("user", "token_of", "headers", "status"),
    [
        ("anna", None, {}, 403),
        ("anna", "vera", {}, 403),
        ("anna", "anna", {"Origin": "http://evil.example"}, 403),
        ("anna", "anna", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("vera", "vera", {}, 403),
    ],
    ids=["no token", "another user's token", "another origin", "another site", "no right on the DAG"],
)
def test_nothing_is_done_for_another_site_or_without_the_right(
    served, user, token_of, headers, status
) -> None:
    before = len(runs_of(served, "cdc_health"))
    token = page_token(served, token_of) if token_of else ""
    answer = served.client(user, **headers).post(RUNS.format("cdc_health"), data={"token": token})
    assert answer.status_code == status
    assert len(runs_of(served, "cdc_health")) == before


@pytest.mark.parametrize(("dag_id", "action"), [("example_daily_revenue", ""), ("cdc_stream_orders", "drop")])
def test_only_what_is_on_the_page_can_be_asked_for(served: Served, dag_id: str, action: str) -> None:
    before = len(runs_of(served, dag_id))
    form = {"token": page_token(served, "anna"), "action": action}
    assert served.client("anna").post(RUNS.format(dag_id), data=form).status_code == 404
    assert len(runs_of(served, dag_id)) == before


def test_a_paused_dag_is_not_triggered(served: Served) -> None:
    client = served.client("anna")
    assert client.patch("/api/v2/dags/cdc_watermarks", json={"is_paused": True}).status_code == 200
    answer = client.post(RUNS.format("cdc_watermarks"), data={"token": page_token(served, "anna")})
    assert answer.status_code == 409
    assert "unpause" in answer.json()["detail"]
    assert runs_of(served, "cdc_watermarks") == []


def test_a_viewer_sees_buttons_that_do_nothing(served: Served) -> None:
    buttons = re.findall(r"<button[^>]*>", served.client("vera").get("/cdc/pipelines/ecommerce").text)
    assert buttons
    assert all("disabled" in button for button in buttons)
    own = re.findall(r"<button[^>]*>", served.client("anna").get("/cdc/pipelines/ecommerce").text)
    assert not any("disabled" in button for button in own)


def test_an_ops_store_that_is_away_is_said_in_words(served: Served) -> None:
    """The last test: the page lives on what it knows."""
    served.ops.rows("ALTER SCHEMA cdc_ops RENAME TO away")
    try:
        found = wait_for(
            lambda: served.client("vera").get("/cdc/api/pipelines/ecommerce"),
            lambda answer: any("no schema yet" in problem for problem in answer.json()["problems"]),
        )
        assert found.status_code == 200
        assert served.client("vera").get("/cdc/pipelines/ecommerce").status_code == 200
    finally:
        served.ops.rows("ALTER SCHEMA away RENAME TO cdc_ops")
