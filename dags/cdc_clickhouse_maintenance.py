"""DAG `cdc_clickhouse_maintenance`: merges, dedup, tombstones and vacuum, under each pipeline's budget."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, TaskGroup

from cdc_airflow import dag_texts
from cdc_airflow.dag_defaults import TASK_DEFAULTS
from cdc_airflow.notifications.deadline import deadline_of
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.keep_up import KeepUpOperator
from cdc_airflow.pipelines import ALL, cron_schedule, declared_pipelines
from cdc_airflow.sensors.check import RetentionSensor

pipelines = declared_pipelines()
AGE = "{{ '' if params.horizon_age_minutes is none else params.horizon_age_minutes }}"
tables = sorted({table.name for pipeline in pipelines for table in pipeline.tables})

with DAG(
    dag_id="cdc_clickhouse_maintenance",
    description="OPTIMIZE and dedup in ClickHouse under a budget; purges and vacuum, with figures",
    doc_md=dag_texts.MAINTENANCE,
    schedule=cron_schedule(p.policies.maintenance_schedule for p in pipelines),
    deadline=deadline_of(pipelines, [p.policies.maintenance_deadline_minutes for p in pipelines]),
    catchup=False,
    max_active_runs=1,
    # One merge after the other: each has the budget of its sink.
    max_active_tasks=1,
    tags=["cdc", "maintenance", *(pipeline.name for pipeline in pipelines)],
    default_args=TASK_DEFAULTS | {"execution_timeout": timedelta(hours=6)},
    params={
        "pipeline": Param(
            ALL,
            enum=[ALL, *(pipeline.name for pipeline in pipelines)],
            title="Pipeline",
            description="Keep up this one only; the others are skipped.",
        ),
        "table": Param(ALL, enum=[ALL, *tables], title="Table", description="Keep up this table only."),
        "horizon_age_minutes": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            title="Horizon's age (min)",
            description="Instead of the policy's; 0 is right only when no repair or resume runs.",
        ),
    },
) as dag:
    for pipeline in pipelines:
        with TaskGroup(group_id=pipeline.name, tooltip=pipeline.description):
            RetentionSensor(
                task_id="check_retention",
                pipeline=pipeline.name,
                only="{{ params.pipeline }}",
                on_failure_callback=FailureMail.of(pipeline),
            )
            for sink in pipeline.sinks:
                KeepUpOperator(
                    task_id=f"keep_up_{sink.name}",
                    pipeline=pipeline.name,
                    sink=sink.name,
                    only="{{ params.pipeline }}",
                    table="{{ params.table }}",
                    horizon_age_minutes=AGE,
                    on_failure_callback=FailureMail.of(pipeline),
                )
