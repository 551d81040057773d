"""DAG `cdc_resync`: a table built anew beside the old one, which serves readers, once it is approved."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, TaskGroup

from cdc_airflow import dag_texts
from cdc_airflow.dag_defaults import TASK_DEFAULTS, one_table
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.bounded_runs import ResyncOperator
from cdc_airflow.operators.rebuild_table import ApproveChangeOperator
from cdc_airflow.pipelines import declared_pipelines

pipelines = declared_pipelines()

with DAG(
    dag_id="cdc_resync",
    description="Fills a shadow table from the source in every sink and exchanges it with the old one",
    doc_md=dag_texts.RESYNC,
    schedule=None,
    catchup=False,
    # Each waits for a person, and holds up none of the others.
    max_active_runs=32,
    tags=["cdc", "resync", *(pipeline.name for pipeline in pipelines)],
    default_args=TASK_DEFAULTS | {"execution_timeout": timedelta(hours=24)},
    params={
        **one_table(pipelines),
        "approved": Param(
            default=False, type="boolean", title="Approved", description="Go on without a question."
        ),
    },
) as dag:
    for pipeline in pipelines:
        with TaskGroup(group_id=pipeline.name, tooltip=pipeline.description):
            approve = ApproveChangeOperator(
                task_id="approve_resync",
                pipeline=pipeline.name,
                only="{{ params.pipeline }}",
                approved="{{ params.approved }}",
                subject="Replace {{ params.table }} in every sink by what the source has now?",
                body="Readers have the old table until the new one is full, and its events wait meanwhile. "
                "The old table is kept: `cdc schema rollback {{ params.table }}`.",
                on_failure_callback=FailureMail.of(pipeline),
            )
            resync = ResyncOperator(
                task_id="resync",
                pipeline=pipeline.name,
                only="{{ params.pipeline }}",
                table="{{ params.table }}",
                on_failure_callback=FailureMail.of(pipeline),
            )
            approve >> resync
