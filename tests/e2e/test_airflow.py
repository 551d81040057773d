"""What a person sees: DAGs that are green in a real browser, and a mail when a stream has died."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from local_stack.mail import read_mails

APP = "cdc-ecommerce-customers"


def _browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("chromium is not installed: .ci/run installs it with apt-get install chromium")
    if found is None:
        pytest.skip("needs a browser: apt-get install chromium")
    return found


@pytest.mark.timeout(400)
def test_the_dags_are_green_in_a_browser(stack):
    from playwright.sync_api import sync_playwright

    path = _browser()
    for dag_id in ("cdc_connectors", "cdc_health"):
        run = stack.run_dag(dag_id)
        assert run.state == "success", stack.api.explain(run)
    env = stack.ctx.stack_env()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 1100})
        page.goto(env["AIRFLOW_URL"])
        page.get_by_label("Username").fill(env["AIRFLOW_USER"])
        page.get_by_label("Password", exact=False).first.fill(env["AIRFLOW_PASSWORD"])
        page.get_by_role("button", name="Sign in").click()
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


@pytest.mark.timeout(500)
def test_a_stream_that_died_is_a_mail_that_says_what_to_do(stack, eventually):
    mails = stack.ctx.stack_env()["MAIL_DIR"]
    before = len(_mails(mails))
    original = stack.pipeline_file.read_text()
    stack.api.set_paused("cdc_stream_customers", paused=True)
    stack.pipeline_file.write_text(original.replace("max_progress_age_s: 120", "max_progress_age_s: 20"))
    try:
        [application] = stack.live(APP)
        stack.yarn.kill(application.id)
        time.sleep(25)
        run = stack.run_dag("cdc_health", {"grace_s": 5})
        assert run.state == "failed"
        eventually(lambda: len(_mails(mails)) > before, 60)
        mail = next(m for m in reversed(_mails(mails)) if "customers" in m.subject + m.text)
        assert "no progress" in mail.text
        assert "data-team@localhost" in mail.to
    finally:
        stack.pipeline_file.write_text(original)
        stack.api.set_paused("cdc_stream_customers", paused=False)
        again = stack.run_dag("cdc_stream_customers", limit_s=400)
    assert again.state == "success", stack.api.explain(again)


def _mails(folder):
    from pathlib import Path

    return read_mails(Path(folder))
