"""DAG `cdc_connectors`: makes what the pipelines declare true, from the source to the sinks."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, TaskGroup

from cdc_airflow import dag_texts
from cdc_airflow.dag_defaults import TASK_DEFAULTS, seconds
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.apply_pipeline import ApplyPipelineOperator
from cdc_airflow.operators.end_orphans import EndOrphansOperator
from cdc_airflow.operators.validate_pipeline import ValidateConnectorOperator, ValidateSpecOperator
from cdc_airflow.pipelines import applied_asset, cron_schedule, declared_pipelines
from cdc_airflow.sensors.check import ConnectorRunningSensor

pipelines = declared_pipelines()

with DAG(
    dag_id="cdc_connectors",
    description="Registers the connectors; makes topics, sink tables and views as the pipelines say",
    doc_md=dag_texts.CONNECTORS,
    schedule=cron_schedule((p.policies.connectors_schedule for p in pipelines), run_immediately=True),
    catchup=False,
    max_active_runs=1,
    tags=["cdc", "connectors", *(pipeline.name for pipeline in pipelines)],
    default_args=TASK_DEFAULTS,
    params={
        "pipeline": Param(
            "all",
            enum=["all", *(pipeline.name for pipeline in pipelines)],
            title="Pipeline",
            description="Apply this one only; the others are skipped.",
        ),
        "plan_only": Param(
            default=False,
            type="boolean",
            title="Plan only",
            description="Log what would change, and change nothing.",
        ),
        "connector_timeout_s": seconds(180, "Wait for the connector", "Until its tasks run.", minimum=10),
    },
) as dag:
    if pipelines:
        mail: Any = FailureMail.of(pipelines[0])
        EndOrphansOperator(
            task_id="end_orphans",
            only="{{ params.pipeline }}",
            plan_only="{{ params.plan_only }}",
            on_failure_callback=mail,
        )
    for pipeline in pipelines:
        with TaskGroup(group_id=pipeline.name, tooltip=pipeline.description):
            common: dict[str, Any] = {
                "pipeline": pipeline.name,
                "on_failure_callback": FailureMail.of(pipeline),
            }
            spec = ValidateSpecOperator(task_id="validate_spec", only="{{ params.pipeline }}", **common)
            config = ValidateConnectorOperator(task_id="validate_connector", **common)
            apply = ApplyPipelineOperator(
                task_id="apply_pipeline", plan_only="{{ params.plan_only }}", **common
            )
            wait = ConnectorRunningSensor(
                task_id="wait_for_connector",
                timeout_s="{{ params.connector_timeout_s }}",
                outlets=[applied_asset(pipeline.name)],
                **common,
            )
            spec >> config >> apply >> wait
