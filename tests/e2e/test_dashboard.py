"""The dashboard in a browser, inside Airflow: a stream stalls and recovers, a question is answered."""

from __future__ import annotations

import itertools
import os
import signal

import pytest


@pytest.fixture
def page(stack, chromium):
    """A page of a browser that is logged in to Airflow; what its scripts complain of fails the test."""
    from playwright.sync_api import sync_playwright

    env = stack.ctx.stack_env()
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        opened = browser.new_page(viewport={"width": 1280, "height": 1000})
        opened.set_default_timeout(60_000)
        opened.goto(env["AIRFLOW_URL"])
        opened.get_by_label("Username").fill(env["AIRFLOW_USER"])
        opened.get_by_label("Password", exact=False).first.fill(env["AIRFLOW_PASSWORD"])
        opened.get_by_role("button", name="Sign in").click()
        opened.get_by_role("link", name="CDC pipelines").first.wait_for()
        yield opened
        browser.close()


@pytest.fixture
def short_promise(stack):
    """Two minutes without progress are allowed; the test does not wait that long."""
    original = stack.pipeline_file.read_text()
    stack.pipeline_file.write_text(original.replace("max_progress_age_s: 120", "max_progress_age_s: 20"))
    yield
    stack.pipeline_file.write_text(original)


def test_a_stream_is_seen_to_stall_and_to_come_back(stack, page, short_promise):
    url = stack.ctx.stack_env()["AIRFLOW_URL"]
    page.goto(f"{url}/cdc/pipelines/ecommerce?window=15m")

    def wait_for_level(level: str) -> None:
        row = f"[data-stream=customers] tr[data-sink=warehouse][data-level={level}]"
        page.locator(row).wait_for(state="attached", timeout=120_000)

    wait_for_level("ok")
    (driver,) = [pid for name, pid in stack.drivers().items() if "customers" in name and pid]
    os.kill(driver, signal.SIGSTOP)
    try:
        wait_for_level("breach")
        said = page.locator("[data-stream=customers] tr.why.breach").first.inner_text()
        overall = page.locator("section.overview").get_attribute("data-level")
    finally:
        os.kill(driver, signal.SIGCONT)
    assert "has made no progress for" in said
    assert "(limit 20 s)" in said
    assert overall == "breach"
    wait_for_level("ok")


def test_a_button_inside_airflow_runs_a_dag(stack, page, eventually):
    before = {run.run_id for run in stack.api.runs("cdc_watermarks")}
    page.get_by_role("link", name="CDC pipelines").first.click()
    frame = page.frame_locator("iframe")
    frame.get_by_role("link", name="ecommerce").click()
    frame.get_by_role("button", name="Prove watermarks").click()

    def manual():
        runs = stack.api.runs("cdc_watermarks")
        return [run for run in runs if run.run_id not in before and run.run_type == "manual"]

    eventually(manual, 60)
    run = stack.finish(manual()[0])
    assert run.state == "success", stack.api.explain(run)
    frame.get_by_text("cdc_watermarks: success").first.wait_for()


def test_a_question_is_answered_where_its_link_leads(stack, page):
    """A refusal changes nothing, so the table of the other tests stays as it is."""
    run = stack.api.trigger("cdc_resync", {"pipeline": "ecommerce", "table": "products"})
    page.goto(f"{stack.ctx.stack_env()['AIRFLOW_URL']}/cdc/pipelines/ecommerce?window=15m")
    question = page.locator("[data-approval=products]")
    question.wait_for(timeout=120_000)
    with page.context.expect_page() as opened:
        question.get_by_role("link").click()
    opened.value.get_by_role("button", name="Reject", exact=True).click()
    ended = stack.finish(run, 120)
    assert ended.state == "success", stack.api.explain(ended)
    opened.value.close()
    question.wait_for(state="detached")


def test_the_pages_fit_light_and_dark_and_ask_nobody_else(stack, page):
    url = stack.ctx.stack_env()["AIRFLOW_URL"]
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    pages = {"pipelines": "/cdc/", "pipeline": "/cdc/pipelines/ecommerce?window=15m"}
    for scheme, width, name in itertools.product(("light", "dark"), (1280, 400), pages):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{url}{pages[name]}")
        page.locator("[data-pipeline=ecommerce]").first.wait_for()
        page.screenshot(path=stack.home / f"{name}-{width}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, scheme)
    # Airflow's page, on which the login ends, may still make a worker of its own.
    assert {one for one in asked if not one.removeprefix("blob:").startswith(url)} == set()
    assert complaints == []
