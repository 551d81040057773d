"""Approves and does the new build of a table whose source has changed."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdc_airflow.hooks.cdc import CdcHook, connection_ids
from cdc_airflow.operators.submission import SPARK, describe, terminal_at_once
from cdc_airflow.pipelines import find_pipeline


class ApproveChangeOperator(ApprovalOperator):
    """Asks a person, unless whoever started the run has approved already.

    Args:
        pipeline: the pipeline's name.
        only: the pipeline that this run is about.
        approved: true (or the text of it) goes on without a question.
    """

    template_fields: Sequence[str] = (*ApprovalOperator.template_fields, "only", "approved")

    def __init__(self, *, pipeline: str, only: str, approved: bool | str = False, **kwargs: Any) -> None:
        # The wait for a person has no limit.
        super().__init__(execution_timeout=None, **kwargs)
        self.pipeline = pipeline
        self.only = only
        self.approved = approved

    def execute(self, context: Any) -> Any:
        """Ask, or go on."""
        if self.only != self.pipeline:
            raise AirflowSkipException(f"this run is about pipeline {self.only!r}")
        if str(self.approved).lower() == "true":
            self.log.info("Approved by whoever started this run")
            return None
        return super().execute(context)


class RebuildTableOperator(SparkSubmitOperator):
    """Builds a parked table anew on YARN: beside the old one, filled, caught up, exchanged, resumed.

    How it works: a bounded application beside the stream, under a name of its own. Before the exchange
    nothing that readers see is changed, so a task that is stopped or fails can be run again.

    What it does not do: change the pipeline file; `cdc schema apply --write` does.

    Args:
        pipeline: the pipeline's name; its file is read when the task runs.
        table: the table's name in the sinks.
        difference: what was approved, and nothing else is built; empty builds whatever has changed.
    """

    template_fields: Sequence[str] = (*SparkSubmitOperator.template_fields, "table", "difference")

    def __init__(self, *, pipeline: str, table: str, difference: str = "", **kwargs: Any) -> None:
        super().__init__(
            conn_id=SPARK,
            deploy_mode="cluster",
            yarn_track_via_rm_api=True,
            # A task that is cleared builds again; the provider would find the application that has ended.
            durable=False,
            **kwargs,
        )
        self.pipeline = pipeline
        self.table = table
        self.difference = difference

    def execute(self, context: Any) -> Any:
        """Build it; returns when the table is written again."""
        from cdc.ops import OpsStore
        from cdc.services.captured import refuse_unsent
        from cdc.services.rebuild import rebuild_arguments

        pipeline, _ = find_pipeline(self.pipeline)
        table = pipeline.table(self.table)
        connections = CdcHook().connections(connection_ids(pipeline))
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            refuse_unsent(pipeline, connections, ops, table)
        with tempfile.TemporaryDirectory(prefix="cdc-submit-") as folder:
            arguments = rebuild_arguments(table.name, self.difference)
            stream = pipeline.stream(table.stream)
            describe(self, stream, Path(folder), extra_args=arguments, purpose=f"rebuild-{table.name}")
            with terminal_at_once():
                return super().execute(context)
