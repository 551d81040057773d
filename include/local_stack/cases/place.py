"""Where a delivery happens: its own pipeline, database, connector, topics, sink schemas and checkpoints."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict
from ruamel.yaml import YAML

from cdc.connections import Connection, Connections
from cdc.spec import ClickHouseSink, Pipeline, StreamSpec, WarehouseSink, load_pipeline
from local_stack.component import StackContext

ANCHOR = "public._cdc_case_anchor"
STREAM = "cases"
PARTITIONS = 3
# A case's history is one batch where it has to be one.
MAX_OFFSETS = 5_000_000


@dataclass(frozen=True)
class Place:
    """Names and files of one delivery; everything in it can be deleted without asking anybody.

    Attributes:
        ctx: the stack.
        name: of the pipeline, and with it of everything else.
    """

    ctx: StackContext
    name: str

    @property
    def folder(self) -> Path:
        """The delivery's own files."""
        return self.ctx.home / "cases" / self.name

    @property
    def pipeline_file(self) -> Path:
        """The pipeline that `cdc discover --write` completes."""
        return self.folder / "pipelines" / f"{self.name}.yaml"

    @property
    def checkpoints(self) -> Path:
        """The streams' checkpoints."""
        return self.folder / "checkpoints"

    @property
    def superuser_dsn(self) -> str:
        """The source server's superuser, in the stack's own database."""
        return self.ctx.stack_env()["SOURCE_DSN"]

    def environment(self) -> dict[str, str]:
        """The variables with which the platform's commands find this pipeline."""
        roots = [str(self.ctx.repo / root) for root in ("include", "plugins", "spark_jobs")]
        return {
            **self.ctx.stack_env(),
            "CDC_PIPELINES_DIR": str(self.pipeline_file.parent),
            "CDC_CONNECTIONS_FILE": str(self.folder / "connections.json"),
            "CHECKPOINT_ROOT": str(self.checkpoints),
            "PYTHONPATH": ":".join(roots),
        }

    def connections(self) -> Connections:
        """The stack's connections, with the source's pointing at the delivery's own database."""
        known = Connections.from_file(self.ctx.connections_file)
        source = known.get("cdc_source").model_copy(update={"schema_": self.name})
        return Connections([*map(known.get, known.ids()), source, self._admin(source)])

    def write(self) -> None:
        """Write the connections and a pipeline with nothing but the anchor table."""
        self.pipeline_file.parent.mkdir(parents=True, exist_ok=True)
        self.checkpoints.mkdir(exist_ok=True)
        file = self.folder / "connections.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(self.connections().to_document()), encoding="utf-8")
        yaml = YAML(typ="rt")
        yaml.indent(mapping=2, sequence=4, offset=2)
        with self.pipeline_file.open("w", encoding="utf-8") as handle:
            yaml.dump(pipeline_document(self.name), handle)

    def pipeline(self) -> Pipeline:
        """The pipeline as its file is now."""
        return load_pipeline(self.pipeline_file, self.ctx.stack_env()["CDC_ENV"])

    def stream(self) -> StreamSpec:
        """The one stream that carries every case."""
        return self.pipeline().stream(STREAM)

    def delete(self) -> None:
        """Delete the files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _admin(self, source: Connection) -> Connection:
        # The superuser owns what a case makes, extensions and copies from programs included.
        parts = conninfo_to_dict(self.superuser_dsn)
        update = {"id": "cdc_source_admin", "login": parts["user"], "password": parts["password"]}
        return source.model_copy(update=update)


def pipeline_document(name: str) -> Mapping[str, Any]:
    """The pipeline file before discovery."""
    return {
        "name": name,
        "source": {
            "connection": "cdc_source",
            "admin_connection": "cdc_source_admin",
            "topic_prefix": name,
            "connector": name,
            "slot": name,
            "publication": name,
            "heartbeat_interval_ms": 1000,
            "poll_interval_ms": 200,
        },
        "kafka": {"connection": "cdc_kafka", "partitions": PARTITIONS, "retention_hours": 24},
        "connect": {"connection": "cdc_connect"},
        "ops": {"connection": "cdc_ops"},
        "sinks": [
            ClickHouseSink(
                name="clickhouse", type="clickhouse", connection="cdc_clickhouse",
                raw_database=f"{name}_raw", view_database=name,
            ).model_dump(),
            WarehouseSink(
                name="warehouse", type="postgres", connection="cdc_warehouse",
                raw_schema=f"{name}_raw", view_schema=name,
            ).model_dump(),
        ],
        "streaming": {"trigger_ms": 200, "max_offsets_per_trigger": MAX_OFFSETS},
        "alerts": {"connection": "cdc_smtp", "from": "cdc@localhost", "to": ["cases@localhost"]},
        "tables": [
            {
                "source": ANCHOR,
                "stream": STREAM,
                "key": ["id"],
                "columns": [{"name": "id", "type": "integer", "nullable": False}],
            }
        ],
    }  # fmt: skip
