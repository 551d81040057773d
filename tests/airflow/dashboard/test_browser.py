"""The pages in a real browser, on the busiest day and with hostile names: light and dark, wide and narrow."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.airflow.dashboard.conftest import Served, batch
from tests.airflow.dashboard.happenings import forget_happenings, record_happenings
from tests.stack.cdc.conftest import free_port

PAGES = {"pipelines": "/cdc/", "pipeline": "/cdc/pipelines/ecommerce?window=6h"}
READABLE = Path(__file__).with_name("readable.js")


@pytest.fixture(scope="module", autouse=True)
def happened(served: Served) -> Iterator[None]:
    ended = datetime.now(UTC)
    for stream, table in (("products", "products"), ("customers", "customers")):
        for sink in ("clickhouse", "warehouse"):
            served.ops.record_progress(batch(sink, 1, ended, stream=stream, table=table))
    record_happenings(served.ops, ended)
    yield
    forget_happenings(served.ops)


@pytest.fixture(scope="module")
def url(served: Served) -> Iterator[str]:
    """The application behind a real socket."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(served.app, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def page(served: Served) -> Iterator[Any]:
    """A page of a browser that is logged in."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None and os.environ.get("CI") == "true":
        pytest.fail("chromium is not installed: .ci/run installs it with apt-get install chromium")
    if path is None:
        pytest.skip("needs a browser: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        login = {"Authorization": f"Bearer {served.tokens['anna']}"}
        opened = browser.new_page(extra_http_headers=login)
        opened.add_init_script(path=READABLE)
        yield opened
        browser.close()


@pytest.mark.parametrize(
    ("name", "width", "scheme"), list(itertools.product(PAGES, (1280, 400), ("light", "dark")))
)
def test_a_page_fits_reads_well_and_asks_nobody_else(page, url, tmp_path, name, width, scheme) -> None:
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{url}{PAGES[name]}")
    page.locator(".tag.meant").first.wait_for()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.screenshot(path=tmp_path / f"{name}-{width}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("overlapping()") == []
    assert page.evaluate("pale()") == []
    assert {one for one in asked if not one.startswith(url)} == set()
    assert complaints == []


def test_what_is_unfolded_stays_unfolded_when_the_page_reads_itself_again(page, url) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{url}{PAGES['pipeline']}")
    row = page.locator("tr.more details").first
    row.locator("summary").click()
    before = page.locator("#clock").inner_text()
    page.evaluate("refresh()")
    page.wait_for_function("before => document.getElementById('clock').textContent !== before", arg=before)
    assert page.locator("tr.more details").first.evaluate("one => one.open")
    assert page.locator("tr.more details[open]").count() == 1


def test_the_first_page_leads_to_the_open_incidents(page, url) -> None:
    page.goto(f"{url}{PAGES['pipelines']}")
    page.get_by_role("link", name="1 incident").click()
    page.wait_for_url("**/pipelines/ecommerce?window=1h#incidents")
    assert page.locator("#incidents .incident").count() == 1
