"""What the DAGs `cdc_reconciliation` and `cdc_partition_watch` share: tasks, form and limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import Param, TaskGroup

from cdc.spec import Pipeline
from cdc_airflow.dag_defaults import TASK_DEFAULTS
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.reconcile import ReconcileOperator
from cdc_airflow.pipelines import ALL

REPAIR_PARAMS: dict[str, Param] = {
    "tables": Param(ALL, type="string", title="Tables", description="`all`, or names separated by commas."),
    "repair": Param(
        "policy",
        enum=["policy", "yes", "no"],
        title="Repair",
        description="Mend what is proven to differ; `policy` is what the pipeline's YAML says.",
    ),
}


def reconcile_options(pipelines: Sequence[Pipeline]) -> dict[str, Any]:
    """The arguments of a DAG that has these tasks, but for its form."""
    return {
        "catchup": False,
        "max_active_runs": 1,
        # Each repair is a Spark application beside the streams: one after the other fits a small cluster.
        "max_active_tasks": 1,
        "default_args": TASK_DEFAULTS | {"execution_timeout": timedelta(hours=6)},
        "tags": ["cdc", "reconciliation", *(pipeline.name for pipeline in pipelines)],
    }


def pipeline_param(pipelines: Sequence[Pipeline]) -> Param:
    """The form's choice of one pipeline."""
    return Param(
        ALL,
        enum=[ALL, *(pipeline.name for pipeline in pipelines)],
        title="Pipeline",
        description="Compare this one's only; the others are skipped.",
    )


def reconcile_tasks(pipelines: Sequence[Pipeline], *, only_changed: bool, window: str = ALL) -> None:
    """One task for each stream of each pipeline."""
    for pipeline in pipelines:
        with TaskGroup(group_id=pipeline.name, tooltip=pipeline.description):
            for stream in pipeline.streams:
                ReconcileOperator(
                    task_id=f"reconcile_{stream.name}",
                    pipeline=pipeline.name,
                    stream=stream.name,
                    only="{{ params.pipeline }}",
                    tables="{{ params.tables }}",
                    repair="{{ params.repair }}",
                    window=window,
                    only_changed=only_changed,
                    on_failure_callback=FailureMail.of(pipeline),
                )
