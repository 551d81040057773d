"""The driver: leases, fence and ledger, requests to stop, a sink that is away, and the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from cdc.errors import TERMINAL_EXIT_CODE, ConflictError, FencedError
from cdc.services.health import sample_checkpoint
from cdc_spark.main import drive
from cdc_spark.schemas import row_schema
from cdc_spark.writers.base import SinkBatch
from cdc_spark.writers.factory import fence, writer_for

REPO = Path(__file__).parents[2]


def until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.2)


def test_the_ledger_moves_with_the_rows_and_an_older_owner_is_fenced_off(lab, rows):
    lab.send("public.customers", "c", {**rows.customer, "id": 3})
    lab.send("public.customers", "c", {**rows.customer, "id": 6})
    assert lab.run("customers", sinks=("warehouse",)) == 0
    query = lab.pipeline.stream("customers").query_name("warehouse")
    ledger = lab.warehouse("SELECT query, partition, until_offset, epoch FROM RAW._ledger")
    assert ledger == [{"query": query, "partition": 0, "until_offset": 2, "epoch": 1}]

    sink, table = lab.pipeline.sink("warehouse"), lab.pipeline.table("customers")
    fence(sink, lab.connections, query, 7)
    older = writer_for(sink, table, lab.connections, query, 6, 20.0)
    rows_of_it = pa.Table.from_pylist([], row_schema(table))
    with pytest.raises(FencedError, match="epoch 7"):
        older.write(SinkBatch(lab.topic("public.customers"), rows_of_it, frozenset(), {0: 99}))
    assert lab.warehouse("SELECT query, partition, until_offset, epoch FROM RAW._ledger") == ledger
    with pytest.raises(FencedError):
        fence(sink, lab.connections, query, 6)


def test_a_driver_waits_for_the_one_that_holds_the_lease(lab, rows):
    query = lab.pipeline.stream("customers").query_name("warehouse")
    held = lab.ops.acquire_lease(query, "elsewhere", 5)
    lab.send("public.customers", "c", rows.customer)
    assert lab.run("customers", sinks=("warehouse",)) == 0
    assert lab.warehouse("SELECT count(*) AS n FROM VIEW.customers") == [{"n": 1}]
    after = lab.ops.lease(query)
    assert after.epoch == held.epoch + 1
    with pytest.raises(FencedError):
        lab.ops.renew_lease(held, 5)
    # Given back at the end: another one gets it at once.
    assert lab.ops.acquire_lease(query, "elsewhere", 5).epoch == after.epoch + 1
    with pytest.raises(ConflictError):
        lab.ops.acquire_lease(query, "a third", 5)


def test_one_sink_that_is_away_does_not_stop_the_other_and_a_stop_is_obeyed(lab, rows):
    lab.send("public.customers", "c", rows.customer)
    prepared = lab.prepared("customers")
    lab.servers.stop("clickhouse")
    codes: list[int] = []
    driver = threading.Thread(target=lambda: codes.append(drive(prepared, str(lab.checkpoints))), daemon=True)
    driver.start()
    try:
        until(lambda: lab.warehouse("SELECT id FROM VIEW.customers") == [{"id": 1}])
        lab.send("public.customers", "u", {**rows.customer, "phone": "1"})
        lab.producer.flush(10)
        until(lambda: lab.warehouse("SELECT phone FROM VIEW.customers") == [{"phone": "1"}])
        lab.servers.start("clickhouse")
        until(lambda: lab.clickhouse("SELECT phone FROM VIEW.customers") == [{"phone": "1"}])
    finally:
        lab.servers.start("clickhouse")
        lab.ops.request_stop(lab.pipeline.name, "customers")
        driver.join(120)
    assert codes == [0]
    clickhouse, warehouse = lab.both("SELECT id, phone, _version FROM VIEW.customers")
    assert clickhouse == warehouse


def test_what_a_killed_driver_had_committed_and_not_reported_is_known_once_the_next_one_starts(lab, rows):
    name, topic = lab.pipeline.name, lab.topic("public.customers")

    def known() -> dict[str, int]:
        return {p.sink: sum(p.until_offsets[topic].values()) for p in lab.ops.latest_progress(name)}

    for number in (3, 6):
        lab.send("public.customers", "c", {**rows.customer, "id": number})
        assert lab.run("customers") == 0
    everything = {"clickhouse": 2, "warehouse": 2}
    assert known() == everything
    for forgotten in ("batch_id = 1", "true"):
        lab.ops.rows(f"DELETE FROM cdc_ops.progress WHERE pipeline = %s AND {forgotten}", (name,))
        assert known() != everything
        assert lab.run("customers") == 0  # no event comes, and so no batch
        assert known() == everything


def test_how_far_a_checkpoint_on_another_file_system_is_is_known_by_what_was_reported(lab, rows):
    def sample():
        stream, root = lab.pipeline.stream("customers"), "s3a://bucket/checkpoints"
        return sample_checkpoint(lab.pipeline, stream, "warehouse", lab.connections, root)

    lab.send("public.customers", "c", {**rows.customer, "id": 3})
    assert lab.producer.flush(30) == 0
    assert sample().committed is None
    assert lab.run("customers", sinks=("warehouse",)) == 0
    found = sample()
    assert found.committed == found.ends
    assert found.committed_at is not None
    assert found.unreachable == ""


def test_a_run_beside_the_stream_leaves_no_progress_of_its_own(lab, rows):
    lab.send("public.customers", "c", {**rows.customer, "id": 3})
    for _ in range(2):
        assert lab.run("customers", debug=True) == 0
    assert lab.ops.latest_progress(lab.pipeline.name) == []


def test_the_command_runs_a_stream_beside_the_running_one(lab, rows, tmp_path):
    lab.send("public.customers", "c", rows.customer)
    lab.producer.flush(10)
    held = lab.ops.acquire_lease(lab.pipeline.stream("customers").query_name("warehouse"), "the stream", 600)
    environment = lab.environment(tmp_path)
    arguments = ["--job-type", "customers", "--pipeline", lab.pipeline.name, "--debug", "--once"]
    program = [sys.executable, str(REPO / "spark_jobs" / "run_cdc_job.py"), *arguments]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert lab.both("SELECT id FROM VIEW.customers") == ([{"id": 1}], [{"id": 1}])
    assert lab.ops.lease(held.query) == held
    assert lab.ops.latest_progress(lab.pipeline.name) == []
    assert (lab.checkpoints / "debug" / lab.pipeline.name / "customers" / "warehouse").is_dir()

    wrong = [*program[:2], "--job-type", "nonsense", "--pipeline", lab.pipeline.name]
    done = subprocess.run(wrong, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == TERMINAL_EXIT_CODE
    assert "no stream 'nonsense'; it has: customers, products, orders" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("running", "number"), [(True, signal.SIGTERM), (False, signal.SIGINT)])
def test_the_command_ends_cleanly_when_it_is_asked_to(lab, rows, tmp_path, running, number):
    """While it carries the stream, and while it still starts; a person sees one line, no stack trace."""
    lab.send("public.customers", "c", rows.customer)
    assert lab.producer.flush(10) == 0
    program = [sys.executable, str(REPO / "spark_jobs" / "run_cdc_job.py"), "--job-type", "customers"]
    log = tmp_path / "log"
    with log.open("w") as output:
        job = subprocess.Popen(
            [*program, "--pipeline", lab.pipeline.name, "--debug"],
            env=lab.environment(tmp_path),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        if running:
            until(lambda: lab.both("SELECT id FROM VIEW.customers") == ([{"id": 1}], [{"id": 1}]), 300)
            for number_of_row in range(2, 100):
                # Batches follow each other at once, so that one begins after the request.
                lab.send("public.customers", "c", {**rows.customer, "id": number_of_row})
                lab.producer.flush(10)
                time.sleep(0.02)
        else:
            until(lambda: "Setting default log level" in log.read_text() or job.poll() is not None)
        os.killpg(job.pid, number) if number is signal.SIGINT else job.send_signal(number)
        code = job.wait(180)
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
    said = log.read_text()
    assert code == (0 if running else 130), said
    assert "Traceback" not in said
    assert "Exception" not in said
    last = said.strip().splitlines()[-1]
    assert ("driver ended" if running else "stopped on request") in last
