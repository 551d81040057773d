"""Every SQL case of `cases/`, through four deliveries on the whole stack."""

from __future__ import annotations

import json

import psycopg
import pytest

from cdc.clients.connect import ConnectClient
from cdc.clients.kafka import KafkaClient
from local_stack.context import REPO


@pytest.mark.drill
@pytest.mark.timeout(1800)
def test_every_case_ends_as_it_expects_in_every_delivery(started):
    done = started.command("case", str(REPO / "tests" / "e2e" / "cases"), "--json", limit_s=1700)
    found = json.loads(done.stdout)
    wrong = [
        f"{case['file']}, {delivery['delivery']}: {delivery['outcome']}: {delivery['reason']}"
        for case in found["cases"]
        for delivery in case["deliveries"]
        if delivery["outcome"] != case["expect"]
    ]
    assert wrong == []
    assert all(len(case["deliveries"]) == 4 for case in found["cases"])
    assert done.returncode == 0


@pytest.mark.drill
@pytest.mark.timeout(900)
def test_a_case_that_ends_otherwise_than_expected_fails_and_leaves_nothing(started, tmp_path):
    case = tmp_path / "wrong.sql"
    case.write_text(
        "-- tables: public.wrong\n-- expect: parked\n-- setup\nCREATE TABLE wrong (id int PRIMARY KEY);\n"
        "-- step\nINSERT INTO wrong VALUES (1);\n"
    )
    done = started.command("case", str(case), "--delivery", "one-batch", limit_s=800)
    assert done.returncode == 1
    assert "one-batch: equal" in done.stdout
    assert "NOT as expected" in done.stdout
    with started.session() as session:
        connections = session.connections
    assert ConnectClient(connections.get("cdc_connect").url()).names() in ([], ["ecommerce"])
    topics = KafkaClient(connections.get("cdc_kafka").bootstrap_servers()).topics()
    assert [name for name in topics if "case_" in name] == []
    with psycopg.connect(started.ctx.stack_env()["SOURCE_DSN"]) as connection:
        slots = "SELECT slot_name FROM pg_replication_slots UNION SELECT datname FROM pg_database"
        assert [name for (name,) in connection.execute(slots) if name.startswith("case_")] == []
    assert list((started.home / "cases").iterdir()) == []
