"""Every SQL case of `cases/`, through four deliveries on a stack of the components that data needs.

These come first of this folder's tests, so that this stack is down again before the whole one starts.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from rich.console import Console

from cdc.clients.connect import ConnectClient
from cdc.clients.kafka import KafkaClient
from cdc.connections import Connections
from local_stack.context import REPO
from local_stack.lifecycle import start_components, stop_stack
from tests.e2e.conftest import WholeStack

DELIVERIES = ["after", "half", "one-batch", "replayed"]
PARTITIONS = ("attached", "attached_first", "detached", "dropped", "truncated")
CHANGED_BACK = ("type", "using", "expression", "names", "identity", "key", "part")
WITHOUT_EVENTS = {f"public.partition_{name}" for name in PARTITIONS} | {
    f"public.back_{name}" for name in CHANGED_BACK
}


@pytest.fixture(scope="module")
def data_stack() -> Iterator[WholeStack]:
    """A stack without Airflow, which would launch the sample's streams beside the cases'."""
    home = Path(tempfile.mkdtemp(prefix="cdc-e2e-cases-"))
    whole = WholeStack(home)
    whole.stack = replace(whole.stack, components="local_stack.components:data_components")
    console = Console(stderr=True)
    try:
        start_components(whole.stack, console)
        yield whole
    finally:
        stop_stack(whole.stack, console)
        shutil.rmtree(home, ignore_errors=True)


def test_an_outcome_that_was_not_expected_fails_the_run_and_clashing_scripts_do_not(data_stack, tmp_path):
    for name, table in (("one", "CREATE UNLOGGED"), ("two", "CREATE UNLOGGED"), ("wrong", "CREATE")):
        (tmp_path / f"{name}.sql").write_text(
            f"-- tables: public.{name}\n-- expect: refused\n-- setup\n"
            f"CREATE TYPE shared AS ENUM ('a');\n{table} TABLE {name} (id int PRIMARY KEY, v shared);\n"
        )
    done = data_stack.command("case", str(tmp_path), limit_s=800)
    assert done.returncode == 1
    verdicts = [line for line in done.stdout.splitlines() if "expected refused" in line]
    assert [("NOT as expected" in line) for line in verdicts] == [False, False, True]
    assert "nothing refuses it" in done.stdout
    _assert_nothing_left(data_stack)


@pytest.mark.timeout(4000)
def test_every_case_ends_as_it_expects_in_every_delivery_and_leaves_nothing(data_stack):
    done = data_stack.command("case", str(REPO / "tests" / "e2e" / "cases"), "--json", limit_s=3900)
    cases = json.loads(done.stdout)["cases"]
    wrong = [
        f"{case['file']}, {delivery['delivery']}: {delivery['outcome']}: {delivery['reason']}"
        for case in cases
        for delivery in case["deliveries"]
        if delivery["outcome"] != case["expect"]
    ]
    assert wrong == []
    assert done.returncode == 0
    assert {tuple(d["delivery"] for d in case["deliveries"]) for case in cases} == {tuple(DELIVERIES)}
    [filled] = [case for case in cases if Path(case["file"]).stem == "toast_after_dead_letter"]
    # Its dead letters are open, and yet every row is whole: a later event was filled from the source.
    differing = [table["differing"] for d in filled["deliveries"] for table in d["tables"]]
    assert differing == [{"clickhouse": 0, "warehouse": 0}] * len(DELIVERIES)
    # What the platform reads again could hide rows that were lost: only changes without events need it, and
    # rows that Debezium itself may have lost.
    mended = {
        (table["table"], delivery["delivery"])
        for case in cases
        for delivery in case["deliveries"]
        for table in delivery["tables"]
        if table["mended"] and not case["reconcile"]
    }
    # Whether events of then name a label as it was is a matter of when they are read.
    mended -= {("public.back_label", delivery) for delivery in DELIVERIES}
    assert mended == {(table, delivery) for table in WITHOUT_EVENTS for delivery in DELIVERIES}
    _assert_nothing_left(data_stack)


def _assert_nothing_left(stack: WholeStack) -> None:
    connections = Connections.from_file(stack.ctx.connections_file)
    assert ConnectClient(connections.get("cdc_connect").url()).names() == []
    topics = KafkaClient(connections.get("cdc_kafka").bootstrap_servers()).topics()
    assert [name for name in topics if "case_" in name] == []
    with psycopg.connect(stack.ctx.stack_env()["SOURCE_DSN"]) as connection:
        made = "SELECT slot_name FROM pg_replication_slots UNION SELECT datname FROM pg_database"
        assert [name for (name,) in connection.execute(made) if name.startswith("case_")] == []
    assert list((stack.home / "cases").iterdir()) == []
