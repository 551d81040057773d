"""DAG `cdc_health`: everything that was promised against each pipeline's policies, and the incidents."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, TaskGroup

from cdc_airflow import dag_texts
from cdc_airflow.dag_defaults import TASK_DEFAULTS, seconds
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.deliver_again import DeliverAgainOperator
from cdc_airflow.operators.read_pipeline_files import ReadPipelineFilesOperator
from cdc_airflow.pipelines import cron_schedule, declared_pipelines
from cdc_airflow.sensors.check import (
    CheckpointHealthSensor,
    ConnectorHealthSensor,
    DeadLetterHealthSensor,
    QueryHealthSensor,
    SlotHealthSensor,
    WatermarkHealthSensor,
)

pipelines = declared_pipelines()

with DAG(
    dag_id="cdc_health",
    description="Checks connectors, slots, progress, watermarks and dead letters; an incident is told once",
    doc_md=dag_texts.HEALTH,
    schedule=cron_schedule(p.policies.health_schedule for p in pipelines),
    catchup=False,
    max_active_runs=1,
    tags=["cdc", "health", *(pipeline.name for pipeline in pipelines)],
    default_args=TASK_DEFAULTS | {"retries": 0},
    params={
        "grace_s": seconds(45, "Grace time", "How long a breach may last: a restart is no incident."),
    },
) as dag:
    ReadPipelineFilesOperator(
        task_id="read_pipeline_files", on_failure_callback=[*FailureMail.of(pipelines[0], once=True)]
    )
    for pipeline in pipelines:
        with TaskGroup(group_id=pipeline.name, tooltip=pipeline.description):
            told = FailureMail.of(pipeline, once=True)
            DeliverAgainOperator(task_id="deliver_again", pipeline=pipeline.name, on_failure_callback=told)
            common: dict[str, Any] = {
                "pipeline": pipeline.name,
                "grace_s": "{{ params.grace_s }}",
                "timeout_s": "{{ params.grace_s }}",
                "on_failure_callback": told,
            }
            ConnectorHealthSensor(task_id="check_connector", **common)
            SlotHealthSensor(task_id="check_slot", **common)
            WatermarkHealthSensor(task_id="check_watermarks", **common)
            DeadLetterHealthSensor(task_id="check_dead_letters", **common)
            for stream in pipeline.streams:
                QueryHealthSensor(task_id=f"check_queries_{stream.name}", stream=stream.name, **common)
                CheckpointHealthSensor(
                    task_id=f"check_checkpoints_{stream.name}", stream=stream.name, **common
                )
