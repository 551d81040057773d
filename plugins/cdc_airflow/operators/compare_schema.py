"""Compares the source's tables with what the sinks were built from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdc_airflow.hooks.cdc import CdcHook, connection_ids
from cdc_airflow.pipelines import find_pipeline

ALL = "all"


class CompareSchemaOperator(BaseOperator):
    """Does what `cdc schema apply` does: the sinks follow what is additive, other changes park their table.

    How it works: `cdc.services.schema_changes` compares PostgreSQL's catalogue with what was remembered when
    the sinks were built. Running it again changes nothing more.

    What it does not do: build a parked table anew. That has a DAG of its own, which waits for an approval;
    what this returns starts one run of it for each parked table and difference.

    Args:
        pipeline: the pipeline's name.
        only: `all`, or the one pipeline that this run is about.
    """

    template_fields: Sequence[str] = ("only",)

    def __init__(self, *, pipeline: str, only: str = ALL, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.only = only

    def execute(self, context: Any) -> list[dict[str, Any]]:
        """Settle what can be settled; returns the runs that wait for an approval."""
        from cdc.ops import OpsStore
        from cdc.services.schema_changes import settle

        if self.only not in (ALL, self.pipeline):
            raise AirflowSkipException(f"this run is about pipeline {self.only!r} only")
        pipeline, _ = find_pipeline(self.pipeline)
        connections = CdcHook().connections(connection_ids(pipeline))
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            ops.ensure_schema()
            found = settle(pipeline, connections, ops)
            parked = ops.parked(pipeline.name)
        wanted = []
        for table in found:
            self.log.info("%s: %s%s", table.source, table.state, "".join(f"\n  {c}" for c in table.changes))
            times = [one.parked_at for one in parked if one.table == table.table and one.parked_at]
            if table.state == "parked" and times:
                difference, since = "; ".join(table.changes), min(times)
                wanted.append(approval_run(pipeline.name, table.table, difference, table.plan, since))
        return wanted


def approval_run(pipeline: str, table: str, difference: str, plan: str, since: datetime) -> dict[str, Any]:
    """The run of DAG cdc_schema_change about a difference; while it lasts it always has the same run id."""
    digest = hashlib.sha256(f"{table} {since.timestamp()} {difference}".encode()).hexdigest()[:16]
    return {
        "trigger_run_id": f"{pipeline}__{digest}",
        "conf": {"pipeline": pipeline, "table": table, "difference": difference, "plan": plan},
    }
