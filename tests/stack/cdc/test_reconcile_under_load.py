"""A thousand changes a second from source to sinks, and no difference is told that is none."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspark
import pytest

from cdc.clients.postgres import connect_postgres
from cdc.ops import OpsStore
from cdc.services.apply import apply
from cdc.services.reconcile import Reconciler
from cdc.spec import Pipeline
from local_stack.components.spark import class_archive, submit_options
from local_stack.context import REPO
from local_stack.contract import IMPORT_ROOTS

# A rate that a busy machine may not reach, so it is no part of `make test`.
pytestmark = pytest.mark.drill
RATE = 1000
ROUNDS = 3


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.3)


@dataclass
class Shop:
    """The sample shop with its connector, and the driver of the orders' stream."""

    stack: Any
    pipeline: Pipeline
    ops: OpsStore
    folder: Path

    def run(self, name: str, *command: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, *command],
                env=os.environ
                | {"PYTHONPATH": os.pathsep.join(str(REPO / root) for root in IMPORT_ROOTS)}
                | env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def caught_up(self, limit: int) -> bool:
        newest = self.ops.latest_progress(self.pipeline.name, "orders")
        return len(newest) == len(self.pipeline.sinks) and all(p.offsets_behind < limit for p in newest)


@pytest.fixture
def shop(stack: Any, pipeline: Pipeline, tmp_path: Path) -> Iterator[Shop]:
    """Its stream runs as a process of its own, as a person runs it by hand."""
    apply(pipeline, stack.connections, lambda _: None)
    shutil.copy(REPO / "include" / "pipelines" / "ecommerce.yaml", tmp_path)
    connections = tmp_path / "connections.json"
    connections.write_text(json.dumps(stack.connections.to_document()))
    with OpsStore(stack.connections.get("cdc_ops")) as ops:
        made = Shop(stack, pipeline, ops, tmp_path)
        env = {
            "CDC_PIPELINES_DIR": str(tmp_path),
            "CDC_CONNECTIONS_FILE": str(connections),
            "CDC_JARS": str(stack.ctx.jars),
            "CHECKPOINT_ROOT": str(tmp_path / "checkpoints"),
            "SPARK_HOME": str(Path(pyspark.__file__).parent),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_SUBMIT_OPTS": submit_options(class_archive(stack.ctx.jars, stack.ctx.java_home)),
        }
        job = made.run(
            "job", str(REPO / "spark_jobs" / "run_cdc_job.py"), "--job-type", "orders",
            "--pipeline", pipeline.name, env=env,
        )  # fmt: skip
        try:
            wait_for(lambda: job.poll() is not None or made.caught_up(1), 240)
            assert job.poll() is None, made.said("job")
            yield made
        finally:
            ops.request_stop(pipeline.name, "orders")
            try:
                assert job.wait(120) == 0, made.said("job")
            finally:
                if job.poll() is None:
                    os.killpg(job.pid, signal.SIGKILL)


def test_no_false_alarm_at_a_thousand_changes_a_second_and_a_fault_is_found_among_them(shop: Shop) -> None:
    orders, items = shop.pipeline.table("orders_fact"), shop.pipeline.table("order_items")
    connections = shop.stack.connections
    env = {"SOURCE_DSN": connections.get("cdc_source_admin").dsn()}
    generator = shop.run("generator", "-m", "local_stack.generator", "--rate", str(RATE * 1.2), env=env)
    try:
        began = time.monotonic()
        reconciler = Reconciler(shop.pipeline, connections, shop.ops)
        reports = [reconciler.reconcile(t) for _, t in itertools.product(range(ROUNDS), (orders, items))]
        with connect_postgres(connections.get("cdc_warehouse"), autocommit=True) as warehouse:
            warehouse.execute(
                "DELETE FROM cdc_raw.order_items WHERE (order_id, line_no) IN "
                "(SELECT order_id, line_no FROM cdc_raw.order_items WHERE NOT _is_deleted LIMIT 20)"
            )
        faulty = reconciler.reconcile(items)
    finally:
        seconds = time.monotonic() - began
        generator.send_signal(signal.SIGINT)
        generator.wait(60)
    (changes,) = map(int, re.findall(r"(\d+) changes in", shop.said("generator")))
    for report in reports:
        assert (report.differences, report.left, report.cut) == ({}, {}, False), report.as_dict()
    looked_at = sum(report.looked_at for report in reports)
    print(f"{changes} changes in {seconds:.0f} s, {looked_at} keys looked at")  # noqa: T201 - for the log
    # Changes were under way in every comparison, or this proves nothing.
    assert looked_at > 0
    assert changes / seconds >= RATE, f"{changes} changes in {seconds:.0f} s"
    assert faulty.differences.keys() <= {"warehouse"}, faulty.as_dict()
    assert faulty.differences["warehouse"]["missing"] >= 1, faulty.as_dict()
