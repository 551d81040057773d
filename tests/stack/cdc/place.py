"""One table that changes at its source, and both sinks."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import psycopg

from cdc.clients.clickhouse import connect_clickhouse
from cdc.connections import Connection, Connections
from cdc.ops import OpsStore
from cdc.services import schema_changes as service
from cdc.services import schema_memory
from cdc.services.effective import effective_pipeline
from cdc.spec import Pipeline, TableSpec

if TYPE_CHECKING:
    from tests.stack.cdc.conftest import Postgres, RunningStack

NUMBERS = itertools.count(1)
COLUMNS = "id int PRIMARY KEY, name text NOT NULL, tags text[] NOT NULL, age int"


class Place:
    """A pipeline of one table, with a database of each kind on one server."""

    def __init__(self, pipeline: Pipeline, postgres: Postgres, clickhouse: RunningStack) -> None:
        number = next(NUMBERS)
        names = ("source", "warehouse", "ops")
        databases = {name: postgres.create_database(f"schema_{name}{number}") for name in names}
        ids = {
            "cdc_source": "source",
            "cdc_source_admin": "source",
            "cdc_warehouse": "warehouse",
            "cdc_ops": "ops",
        }
        made: list[Connection] = [databases[of].model_copy(update={"id": name}) for name, of in ids.items()]
        self.connections = Connections([*made, clickhouse.connections.get("cdc_clickhouse")])
        self.number, self.base = number, pipeline
        self.pipeline = self.declare()
        self.ops = OpsStore(self.connections.get("cdc_ops"))
        self.ops.ensure_schema()
        self.source(f"CREATE TABLE t ({COLUMNS})")
        self.source("CREATE SCHEMA cdc; CREATE TABLE cdc.signal (id text PRIMARY KEY, type text, data text)")
        for sink in self.pipeline.sinks:
            service.ensure_in_sink(self.pipeline, self.pipeline.tables[0], sink, self.connections, self.ops)
        schema_memory.record_built(self.pipeline, self.connections, self.ops)

    def declare(self, **more: Any) -> Pipeline:
        document = self.base.model_dump(by_alias=True)
        document["name"] = f"place{self.number}"
        for sink in document["sinks"]:
            raw, view = [name for name in sink if name.startswith(("raw", "view"))]
            sink |= {raw: f"raw{self.number}", view: f"view{self.number}"}
        columns = [
            {"name": "id", "type": "integer", "nullable": False},
            {"name": "name", "type": "text", "nullable": False},
            {"name": "tags", "type": "text[]", "nullable": False},
            {"name": "age", "type": "integer"},
        ]
        document["tables"] = [{"source": "public.t", "key": ["id"], "columns": columns, **more}]
        return Pipeline.model_validate(document)

    def source(self, statement: str) -> None:
        self._run("cdc_source", statement)

    def warehouse(self, statement: str) -> list[tuple[Any, ...]]:
        return self._run("cdc_warehouse", self._named(statement))

    def clickhouse(self, statement: str) -> list[tuple[Any, ...]]:
        client = connect_clickhouse(self.connections.get("cdc_clickhouse"))
        if not statement.startswith("SELECT"):
            client.command(self._named(statement))
            return []
        return [tuple(row) for row in client.query(self._named(statement)).result_rows]

    def both(self, statement: str) -> list[tuple[Any, ...]]:
        warehouse, clickhouse = self.warehouse(statement), self.clickhouse(statement)
        assert [tuple(map(str, row)) for row in warehouse] == [tuple(map(str, row)) for row in clickhouse]
        return warehouse

    def row(self, number: int) -> None:
        """A row in both sinks, as a driver wrote it that knows the columns of the beginning alone."""
        names = (
            "id, name, tags, age, processed_at, _version, _op, _is_deleted, _lsn, _source_ts, _partition, "
        )
        at = "'2026-01-01 00:00:00'"
        for run, deleted, tags in ((self.warehouse, "false", "'{a}'"), (self.clickhouse, "0", "['a']")):
            run(
                f"INSERT INTO RAW.t ({names} _offset, _generation) VALUES ({number}, 'n', {tags}, 5, {at}, "
                f"{1 << 48}, 'c', {deleted}, 10, {at}, 0, 0, 1)"
            )

    def settle(self) -> service.TableStatus:
        (found,) = service.settle(self.pipeline, self.connections, self.ops)
        (again,) = service.settle(self.pipeline, self.connections, self.ops)
        assert again.state in ("unchanged", "parked", "ignored")
        return found

    @property
    def table(self) -> TableSpec:
        return effective_pipeline(self.pipeline, self.ops).tables[0]

    def _named(self, statement: str) -> str:
        return statement.replace("RAW.", f"raw{self.number}.").replace("VIEW.", f"view{self.number}.")

    def _run(self, connection: str, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.connections.get(connection).dsn(), autocommit=True) as session:
            cursor = session.execute(statement)
            return cursor.fetchall() if cursor.description else []
