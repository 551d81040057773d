"""The dashboard as the api-server makes it: Airflow's own login and rights, and a real ops store."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from fastapi.testclient import TestClient

from cdc.connections import Connections
from cdc.model.watermark import Watermark
from cdc.ops import BatchProgress, DeadLetter, OpsStore
from tests.airflow.connections import stores_alone
from tests.airflow.dashboard.happenings import NASTY

T = TypeVar("T")


@dataclass(frozen=True)
class Served:
    """The api-server's application, users of it, and the ops store that it reads."""

    app: Any
    ops: OpsStore
    tokens: dict[str, str]

    def client(self, user: str | None = None, **headers: str) -> TestClient:
        if user is not None:
            headers["Authorization"] = f"Bearer {self.tokens[user]}"
        return TestClient(self.app, base_url="http://airflow.example:8080", headers=headers)


@pytest.fixture(scope="package")
def connections(airflow_home: Path) -> Iterator[Connections]:
    """A PostgreSQL with the ops store and the warehouse; everything else is dead."""
    with stores_alone(airflow_home) as found:
        yield found


@pytest.fixture(scope="package")
def ops(connections: Connections) -> Iterator[OpsStore]:
    """An ops store with an hour of progress of one stream, and what hostile names can do to a page."""
    now = datetime.now(UTC)
    with OpsStore(connections.get("cdc_ops")) as store:
        store.ensure_schema()
        store.request_run("ecommerce", "orders")
        store.record_launch("ecommerce", "orders", "application_1_0001", "abc")
        for number in range(60):
            for sink in ("clickhouse", "warehouse"):
                store.record_progress(batch(sink, number, now - timedelta(seconds=60 - number)))
        store.add_dead_letters(
            [
                DeadLetter(
                    "ecommerce", "orders", "warehouse", "ecommerce.orders.warehouse", "orders_fact",
                    "dbserver1.public.orders", 0, 7, now, b"k", b"v", "DataError", f"{NASTY} is too long",
                )
            ]
        )  # fmt: skip
        store.park("ecommerce", "order_items", "warehouse", f"because of {NASTY}", {0: 1})
        until = now - timedelta(seconds=30)
        store.record_watermarks([Watermark("ecommerce", "orders_fact", "clickhouse", 1, until, now)], now)
        yield store


def batch(
    sink: str, number: int, ended: datetime, *, stream: str = "orders", table: str = "orders_fact"
) -> BatchProgress:
    """Ten rows, written in half a second."""
    tables = {table: {"inserted": 5, "updated": 3, "deleted": 2, "dead_letters": 0}}
    return BatchProgress(
        "ecommerce", stream, sink, f"ecommerce.{stream}.{sink}", number, ended - timedelta(milliseconds=500),
        ended, 10, 5, 3, 2, 0, 500.0, 40.0, 20.0, 20.0, 0.0, max_source_ts=ended - timedelta(seconds=2),
        tables=tables,
    )  # fmt: skip


@pytest.fixture(scope="package")
def served(airflow_home: Path, ops: OpsStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The application as `airflow api-server` makes it, with an administrator and a viewer."""
    folder = tmp_path_factory.mktemp("users")
    with pytest.MonkeyPatch.context() as patch:
        users = {"anna": "admin", "vera": "viewer"}
        passwords = folder / "passwords.json"
        passwords.write_text(json.dumps({name: name for name in users}))
        listed = ",".join(f"{name}:{role}" for name, role in users.items())
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", listed)
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(passwords))
        patch.setenv("AIRFLOW__API__SECRET_KEY", "a secret of the tests, and of nobody else")
        patch.setenv(
            "AIRFLOW__API_AUTH__JWT_SECRET", "another secret of the tests, which signs the logins " * 2
        )
        patch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        command = [sys.executable, "-m", "airflow", "dags", "reserialize"]
        subprocess.run(command, check=True, capture_output=True, timeout=180)
        from airflow.api_fastapi.app import cached_app, purge_cached_app

        purge_cached_app()
        app = cached_app(apps="core")
        with TestClient(app, base_url="http://airflow.example:8080") as client:
            tokens = {
                name: client.post("/auth/token", json={"username": name, "password": name}).json()[
                    "access_token"
                ]
                for name in users
            }
            yield Served(app, ops, tokens)
        purge_cached_app()


def wait_for(read: Callable[[], T], condition: Callable[[T], bool], limit_s: float = 120) -> T:
    """Pages remember answers for some seconds."""
    deadline = time.monotonic() + limit_s
    while not condition(found := read()):
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
    return found
