"""Makes what a pipeline declares true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdc_airflow.hooks.cdc import CdcHook, connection_ids
from cdc_airflow.pipelines import find_pipeline


class ApplyPipelineOperator(BaseOperator):
    """Does what `cdc apply` does: source objects, topics, sink tables and views, connector, new tables.

    How it works: `cdc.services.apply` compares and changes; it may be run at any time, any number of times.

    What it does not do: start or stop streams. Their own DAGs do, once this DAG has announced the pipeline.

    Args:
        pipeline: the pipeline's name.
        plan_only: true (or the text of it) logs what would change, and skips the rest of the run.
    """

    template_fields: Sequence[str] = ("plan_only",)

    def __init__(self, *, pipeline: str, plan_only: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.plan_only = plan_only

    def execute(self, context: Any) -> None:
        """Log the plan, then apply it step by step."""
        from cdc.services.apply import apply, plan

        pipeline, _ = find_pipeline(self.pipeline)
        connections = CdcHook().connections(connection_ids(pipeline))
        if str(self.plan_only).lower() == "true":
            self.log.info("%s", plan(pipeline, connections))
            raise AirflowSkipException("plan only: nothing was changed")
        report = apply(pipeline, connections, lambda step: self.log.info("%s", step))
        self.log.info("%s", report)
