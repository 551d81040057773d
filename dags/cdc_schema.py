"""DAGs `cdc_schema`, which compares the source's tables with the sinks', and `cdc_schema_change`."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, TaskGroup

from cdc_airflow import dag_texts
from cdc_airflow.dag_defaults import TASK_DEFAULTS
from cdc_airflow.notifications.approval_mail import ApprovalMail
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.ask_for_approval import AskForApprovalOperator
from cdc_airflow.operators.compare_schema import ALL, CompareSchemaOperator
from cdc_airflow.operators.rebuild_table import ApproveChangeOperator, RebuildTableOperator
from cdc_airflow.pipelines import cron_schedule, declared_pipelines

pipelines = declared_pipelines()
tags = [pipeline.name for pipeline in pipelines]

with DAG(
    dag_id="cdc_schema",
    description="Lets the sinks follow the source's tables; asks where that needs an approval",
    doc_md=dag_texts.SCHEMA,
    schedule=cron_schedule(p.policies.schema_schedule for p in pipelines),
    catchup=False,
    max_active_runs=1,
    tags=["cdc", "schema", *tags],
    default_args=TASK_DEFAULTS,
    params={
        "pipeline": Param(
            ALL, enum=[ALL, *tags], title="Pipeline", description="Compare this one's tables only."
        ),
    },
):
    for pipeline in pipelines:
        with TaskGroup(group_id=pipeline.name, tooltip=pipeline.description):
            compare = CompareSchemaOperator(
                task_id="compare_source",
                pipeline=pipeline.name,
                only="{{ params.pipeline }}",
                on_failure_callback=FailureMail.of(pipeline),
            )
            # A difference has one run id, so it is asked about once.
            AskForApprovalOperator.partial(
                task_id="ask_for_approval",
                trigger_dag_id="cdc_schema_change",
                skip_when_already_exists=True,
                on_failure_callback=FailureMail.of(pipeline),
            ).expand_kwargs(compare.output)

with DAG(
    dag_id="cdc_schema_change",
    description="Waits for an approval, then builds one table anew as the source has it now",
    doc_md=dag_texts.SCHEMA_CHANGE,
    schedule=None,
    catchup=False,
    # Each waits for a person, and holds up none of the others.
    max_active_runs=32,
    tags=["cdc", "schema", *tags],
    default_args=TASK_DEFAULTS | {"execution_timeout": timedelta(hours=6)},
    params={
        "pipeline": Param(tags[0], enum=tags, title="Pipeline", description="Whose table it is."),
        "table": Param("", type="string", title="Table", description="Its name in the sinks."),
        "difference": Param("", type="string", title="Difference", description="Only this is built."),
        "plan": Param("", type="string", title="Plan", description="What an approval does."),
        "approved": Param(default=False, type="boolean", title="Approved", description="Do not ask."),
    },
):
    for pipeline in pipelines:
        with TaskGroup(group_id=pipeline.name, tooltip=pipeline.description):
            approve = ApproveChangeOperator(
                task_id="approve_change",
                pipeline=pipeline.name,
                only="{{ params.pipeline }}",
                approved="{{ params.approved }}",
                subject="Build {{ params.table }} anew in every sink?",
                body="{{ params.difference }}\n\n{{ params.plan }}",
                notifiers=ApprovalMail.of(pipeline),
                on_failure_callback=FailureMail.of(pipeline),
            )
            build = RebuildTableOperator(
                task_id="build_table",
                pipeline=pipeline.name,
                table="{{ params.table }}",
                difference="{{ params.difference }}",
                on_failure_callback=FailureMail.of(pipeline),
            )
            approve >> build
