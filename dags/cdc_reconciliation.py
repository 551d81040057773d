"""DAGs `cdc_reconciliation` and `cdc_partition_watch`: every row of the sinks against the source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, TaskGroup

from cdc.spec import Pipeline
from cdc_airflow import dag_texts
from cdc_airflow.dag_defaults import TASK_DEFAULTS
from cdc_airflow.notifications.deadline import deadline_of
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.reconcile import ReconcileOperator
from cdc_airflow.pipelines import ALL, cron_schedule, declared_pipelines

pipelines = declared_pipelines()


def reconcile_tasks(chosen: Sequence[Pipeline], *, only_changed: bool) -> None:
    """One task for each stream of each pipeline."""
    for pipeline in chosen:
        with TaskGroup(group_id=pipeline.name, tooltip=pipeline.description):
            for stream in pipeline.streams:
                ReconcileOperator(
                    task_id=f"reconcile_{stream.name}",
                    pipeline=pipeline.name,
                    stream=stream.name,
                    only="{{ params.pipeline }}",
                    tables="{{ params.tables }}",
                    repair="{{ params.repair }}",
                    only_changed=only_changed,
                    on_failure_callback=FailureMail.of(pipeline),
                )


PARAMS = {
    "pipeline": Param(
        ALL,
        enum=[ALL, *(pipeline.name for pipeline in pipelines)],
        title="Pipeline",
        description="Compare this one's only; the others are skipped.",
    ),
    "tables": Param(ALL, type="string", title="Tables", description="`all`, or names separated by commas."),
    "repair": Param(
        "policy",
        enum=["policy", "yes", "no"],
        title="Repair",
        description="Mend what is proven to differ; `policy` is what the pipeline's YAML says.",
    ),
}
COMMON: dict[str, Any] = {
    "catchup": False,
    "max_active_runs": 1,
    # Each repair is a Spark application beside the streams: one after the other fits a small cluster.
    "max_active_tasks": 1,
    "default_args": TASK_DEFAULTS | {"execution_timeout": timedelta(hours=6)},
    "tags": ["cdc", "reconciliation", *(pipeline.name for pipeline in pipelines)],
}

with DAG(
    dag_id="cdc_reconciliation",
    description="Compares source and sinks while changes flow, mends what differs, and sends a mail",
    doc_md=dag_texts.RECONCILIATION,
    schedule=cron_schedule(p.policies.reconcile_schedule for p in pipelines),
    deadline=deadline_of(pipelines, [p.policies.reconcile_deadline_minutes for p in pipelines]),
    params=PARAMS,
    **COMMON,
) as reconciliation:
    reconcile_tasks(pipelines, only_changed=False)

with DAG(
    dag_id="cdc_partition_watch",
    description="Compares tables whose partitions were truncated, attached or detached without events",
    doc_md=dag_texts.PARTITION_WATCH,
    schedule=cron_schedule(p.policies.partitions_schedule for p in pipelines),
    params=PARAMS,
    **COMMON,
) as partition_watch:
    reconcile_tasks(pipelines, only_changed=True)
