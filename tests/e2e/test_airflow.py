"""What a person sees: DAGs that are green in a real browser, and a mail when a stream has stopped."""

from __future__ import annotations

import time
from pathlib import Path

from local_stack.mail import read_mails


def test_the_dags_are_green_in_a_browser(stack, chromium):
    from playwright.sync_api import sync_playwright

    for dag_id in ("cdc_connectors", "cdc_health"):
        run = stack.run_dag(dag_id)
        assert run.state == "success", stack.api.explain(run)
    env = stack.ctx.stack_env()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 1100})
        page.goto(env["AIRFLOW_URL"])
        page.get_by_label("Username").fill(env["AIRFLOW_USER"])
        page.get_by_label("Password", exact=False).first.fill(env["AIRFLOW_PASSWORD"])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/login" not in url, wait_until="load")
        page.goto(f"{env['AIRFLOW_URL']}/dags?tags=cdc")
        for dag_id in ("cdc_connectors", "cdc_health", "cdc_stream_orders"):
            page.get_by_role("link", name=dag_id, exact=True).first.wait_for(timeout=60_000)
        page.wait_for_timeout(3_000)
        shot = stack.home / "airflow-dags.png"
        page.screenshot(path=shot)
        text = page.inner_text("body")
        browser.close()
    assert shot.stat().st_size > 20_000
    for dag_id in ("cdc_connectors", "cdc_health", "cdc_stream_customers", "cdc_stream_orders"):
        assert dag_id in text
        newest = next(run for run in stack.api.runs(dag_id) if run.finished)
        assert newest.state == "success"


def test_a_stopped_stream_is_a_mail_that_says_what_since_when_and_what_to_do(stack, eventually):
    folder = Path(stack.ctx.stack_env()["MAIL_DIR"])
    before = len(read_mails(folder))
    original = stack.pipeline_file.read_text()
    # Two minutes are the promise; the test does not wait that long.
    stack.pipeline_file.write_text(original.replace("max_progress_age_s: 120", "max_progress_age_s: 20"))
    try:
        stopped = stack.run_dag("cdc_stream_customers", {"action": "stop"})
        assert stopped.state == "success", stack.api.explain(stopped)
        time.sleep(25)
        run = stack.run_dag("cdc_health", {"grace_s": 5})
        assert run.state == "failed"
        eventually(lambda: [m for m in read_mails(folder)[before:] if "customers" in m.subject], 60)
    finally:
        stack.pipeline_file.write_text(original)
        again = stack.run_dag("cdc_stream_customers")
    assert again.state == "success", stack.api.explain(again)
    well = stack.run_dag("cdc_health")
    assert well.state == "success", stack.api.explain(well)
    mails = [mail for mail in read_mails(folder)[before:] if ".customers." in mail.subject]
    assert "] OVER after" in mails[-1].subject
    mail = mails[0]
    assert mail.to == "data-team@localhost"
    for expected in (
        "has made no progress for",
        "stopped on request",
        "Since",
        "What to do",
        "action ensure",
    ):
        assert expected in mail.text
