"""Names, files and connections of the bench inside its own stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from ruamel.yaml import YAML

from cdc.clients.clickhouse import connect_clickhouse
from cdc.clients.kafka import KafkaClient
from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.ops import OpsStore
from cdc.services.changes import Part
from cdc.services.clickhouse_objects import ClickHouseObjects
from cdc.services.topics import Topics
from cdc.services.warehouse_objects import WarehouseObjects
from cdc.spec import ClickHouseSink, Pipeline, WarehouseSink, load_pipeline
from local_stack.bench.shapes import Shape
from local_stack.component import StackContext

STREAM = "bench"
PARTITIONS = 3


@dataclass(frozen=True)
class Place:
    """One pipeline of the bench: its topics, sink schemas and checkpoints.

    Attributes:
        name: of the pipeline, and with it of everything else.
        shapes: its tables.
        trigger_ms: the stream's trigger; 0 begins a batch as soon as there is an event, None is the
            platform's default.
    """

    ctx: StackContext
    name: str
    shapes: tuple[Shape, ...]
    trigger_ms: int | None = 0

    @property
    def folder(self) -> Path:
        """Its own files."""
        return self.ctx.home / "pipelines" / self.name

    def write(self) -> None:
        """Write the pipeline file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        yaml = YAML(typ="safe")
        with (self.folder / f"{self.name}.yaml").open("w", encoding="utf-8") as handle:
            yaml.dump(self._document(), handle)

    def pipeline(self) -> Pipeline:
        """The pipeline as its file is."""
        return load_pipeline(self.folder / f"{self.name}.yaml", "dev")

    def connections(self) -> Connections:
        """The stack's connections."""
        return Connections.from_file(self.ctx.connections_file)

    def environment(self) -> dict[str, str]:
        """The variables with which a driver finds this pipeline."""
        roots = [str(self.ctx.repo / root) for root in ("include", "spark_jobs")]
        return {
            **self.ctx.stack_env(),
            "CDC_PIPELINES_DIR": str(self.folder),
            "CHECKPOINT_ROOT": str(self.folder / "checkpoints"),
            "PYTHONPATH": ":".join(roots),
        }

    def topic(self, shape: Shape) -> str:
        """A table's topic."""
        return f"{self.name}.{shape.source}"

    def make_objects(self) -> None:
        """Ops store, topics and sink tables, without a connector: the events come from elsewhere."""
        pipeline, connections = self.pipeline(), self.connections()
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            ops.ensure_schema()
            parts: list[Part] = [Topics(pipeline, connections, ops)]
            for sink in pipeline.sinks:
                if isinstance(sink, ClickHouseSink):
                    parts.append(ClickHouseObjects(pipeline, sink, connections))
                else:
                    parts.append(WarehouseObjects(pipeline, sink, connections))
            for part in parts:
                part.run(lambda _: None)

    def kafka(self) -> KafkaClient:
        """The broker."""
        return KafkaClient(self.bootstrap)

    @property
    def bootstrap(self) -> str:
        """The broker's address."""
        return self.connections().get("cdc_kafka").bootstrap_servers()

    def clickhouse(self) -> Any:
        """A client of the ClickHouse sink."""
        return connect_clickhouse(self.connections().get("cdc_clickhouse"))

    def postgres(self, connection: str) -> psycopg.Connection[Any]:
        """A connection in autocommit mode."""
        return connect_postgres(self.connections().get(connection), autocommit=True)

    def _document(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "source": {
                "connection": "cdc_source", "admin_connection": "cdc_source_admin",
                "topic_prefix": self.name, "connector": self.name, "slot": self.name,
                "publication": self.name, "heartbeat_table": f"cdc.heartbeat_{self.name}",
                "signal_table": f"cdc.signal_{self.name}",
            },
            "kafka": {"connection": "cdc_kafka", "partitions": PARTITIONS, "retention_hours": 24},
            "connect": {"connection": "cdc_connect"},
            "ops": {"connection": "cdc_ops"},
            "sinks": [
                ClickHouseSink(
                    name="clickhouse", type="clickhouse", connection="cdc_clickhouse",
                    raw_database=f"{self.name}_raw", view_database=self.name,
                ).model_dump(),
                WarehouseSink(
                    name="warehouse", type="postgres", connection="cdc_warehouse",
                    raw_schema=f"{self.name}_raw", view_schema=self.name,
                ).model_dump(),
            ],
            "streaming": {} if self.trigger_ms is None else {"trigger_ms": self.trigger_ms},
            "alerts": {"connection": "cdc_smtp", "from": "cdc@localhost", "to": ["bench@localhost"]},
            "tables": self._tables(),
        }  # fmt: skip

    def _tables(self) -> list[dict[str, Any]]:
        return [_table(shape) for shape in self.shapes]


def _table(shape: Shape) -> dict[str, Any]:
    return {
        "source": shape.source,
        "stream": STREAM,
        "key": [shape.columns[0].name],
        "columns": [{"name": c.name, "type": str(c.kind), "nullable": c.nullable} for c in shape.columns],
    }


def create_source_tables(connection: psycopg.Connection[Any], shapes: Sequence[Shape]) -> None:
    """Make the tables at the source, as their owner."""
    for shape in shapes:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {shape.source} {shape.create_source()}")
