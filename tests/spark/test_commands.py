"""`cdc dead-letters` and `cdc table` as a person types them, on real servers and a real spark-submit."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

from local_stack.context import REPO


@dataclass(frozen=True)
class Shell:
    """Runs `cdc`."""

    env: dict[str, str]

    def cdc(self, *words: str, code: int = 0, stdin: str = "") -> str:
        command = [sys.executable, "-m", "cdc.cli", *words]
        env = {**self.env, "PYTHONPATH": str(REPO / "include"), "COLUMNS": "200"}
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, input=stdin, timeout=800, check=False
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def shell(lab, tmp_path) -> Shell:
    return Shell(lab.environment(tmp_path))


def test_dead_letters_are_listed_shown_and_replayed(lab, rows, shell):
    assert "no open dead letters" in shell.cdc("dead-letters", "list")
    lab.alter_warehouse("ALTER TABLE RAW.customers ADD CONSTRAINT rule CHECK (phone IS NOT NULL)")
    lab.send("public.customers", "c", {**rows.customer, "id": 3, "phone": "1"})
    lab.send("public.customers", "c", {**rows.customer, "id": 6})
    lab.send_raw("public.customers", b'{"id": 9}', b"\xff\x00 no JSON")
    assert lab.run("customers") == 0
    topic = lab.topic("public.customers")

    listed = shell.cdc("dead-letters", "list", "--sink", "warehouse")
    assert "2 dead letter(s)" in listed
    assert 'violates check constraint "rule"' in listed
    found = json.loads(shell.cdc("dead-letters", "list", "--table", "public.customers", "--json"))
    assert [(x["offset"], x["sink"], x["error_class"]) for x in found] == [
        (1, "warehouse", "RefusedError"),
        (2, "clickhouse", "DataError"),
        (2, "warehouse", "DataError"),
    ]
    assert "there are" not in shell.cdc("dead-letters", "list", "--limit", "1")
    shown = shell.cdc("dead-letters", "show", topic, "0", "1")
    assert '"full_name": "Ada Łovelace"' in shown
    assert "change it there" in shown
    assert "\\xff" in shell.cdc("dead-letters", "show", topic, "0", "2")
    assert "no dead letter at" in shell.cdc("dead-letters", "show", topic, "0", "77", code=1)
    assert "no table 'nonsense'" in shell.cdc("dead-letters", "list", "--table", "nonsense", code=1)

    assert "Aborted" in shell.cdc("dead-letters", "replay", code=1, stdin="n\n")
    lab.alter_warehouse("ALTER TABLE RAW.customers DROP CONSTRAINT rule")
    said = shell.cdc("dead-letters", "replay", "--sink", "warehouse", "--yes", code=1)
    assert "customers → warehouse: 1 written, 1 still open" in said
    assert lab.warehouse("SELECT id FROM VIEW.customers ORDER BY id") == [{"id": 3}, {"id": 6}]
    assert lab.ops.open_dead_letters(lab.pipeline.name, "customers", "clickhouse") == 1
    assert "(replayed)" in shell.cdc("dead-letters", "list", "--all")

    poison = ("dead-letters", "discard", topic, "0", "2", "--reason")
    assert "empty --reason" in shell.cdc(*poison, " ", "--yes", code=1)
    assert "Aborted" in shell.cdc(*poison, "not an event", code=1, stdin="n\n")
    said = shell.cdc(*poison, "not an event", "--yes")
    assert "discarded: customers → warehouse" in said
    assert "discarded: customers → clickhouse" in said
    assert "no open dead letters" in shell.cdc("dead-letters", "list")
    assert "(discarded: not an event)" in shell.cdc("dead-letters", "list", "--all")
    assert "no open dead letter at" in shell.cdc(*poison, "again", "--yes", code=1)


def test_a_table_is_parked_and_resumed(lab, rows, shell):
    lab.send("public.order_items", "c", rows.item)
    assert lab.run("orders") == 0
    assert "parked order_items in warehouse" in shell.cdc(
        "table", "park", "public.order_items", "--sink", "warehouse", "--reason", "the table is rebuilt"
    )
    lab.send("public.order_items", "c", {**rows.item, "order_id": 4})
    assert lab.run("orders") == 0
    assert len(lab.warehouse("SELECT order_id FROM VIEW.order_items")) == 1

    states = {(s["table"], s["sink"]): s for s in json.loads(shell.cdc("table", "list", "--json"))}
    held = states["order_items", "warehouse"]
    assert (held["state"], held["reason"], held["waiting"]) == ("parked", "the table is rebuilt", 1)
    assert states["order_items", "clickhouse"]["state"] == "flowing"
    assert "the table is rebuilt" in shell.cdc("table", "list")

    assert "resumed order_items in warehouse" in shell.cdc("table", "resume", "order_items")
    assert len(lab.warehouse("SELECT order_id FROM VIEW.order_items")) == 2
    assert "is not parked" in shell.cdc("table", "resume", "order_items")

    lab.ops.park(lab.pipeline.name, "order_items", "clickhouse", "changed", {0: 0, 1: 0, 2: 0})
    for number in (7, 10, 13):
        lab.send("public.order_items", "c", {**rows.item, "order_id": number, "gift": True})
    assert lab.producer.flush(30) == 0
    lab.delete_records("public.order_items", 1, 2)
    assert "no longer has" in shell.cdc("table", "resume", "order_items", code=1)
    assert "'gift'" in shell.cdc("table", "resume", "order_items", "--accept-loss", code=1)
