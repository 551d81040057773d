"""Connections of an Airflow whose components are dead, but for a PostgreSQL and what a test brings."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdc.connections import Connection, Connections
from tests.stack.cdc.conftest import Postgres, free_port

DEAD = ("cdc_kafka", "cdc_connect", "cdc_clickhouse", "cdc_yarn", "cdc_source", "cdc_source_admin")


@contextmanager
def stores_alone(airflow_home: Path, *others: Connection) -> Iterator[Connections]:
    """While it lasts, Airflow knows a live ops store, a live warehouse and `others`."""
    folder = Path(tempfile.mkdtemp(prefix="lib-postgres-", dir="/tmp"))
    server = Postgres(folder)
    dead = free_port()
    found = Connections(
        [
            *(Connection(id=name, conn_type="http", host="127.0.0.1", port=dead) for name in DEAD),
            server.create_database("ops").model_copy(update={"id": "cdc_ops"}),
            server.create_database("warehouse").model_copy(update={"id": "cdc_warehouse"}),
            *others,
        ]
    )
    file = airflow_home / "connections.json"
    before = file.read_text()
    file.write_text(json.dumps(found.to_document()))
    yield found
    file.write_text(before)
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)
