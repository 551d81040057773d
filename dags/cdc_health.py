"""DAG `cdc_health`: connectors, queries, checkpoints and slots against each pipeline's policies."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, TaskGroup

from cdc_airflow import dag_texts
from cdc_airflow.dag_defaults import TASK_DEFAULTS, seconds
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.pipelines import cron_schedule, declared_pipelines
from cdc_airflow.sensors.check import (
    CheckpointHealthSensor,
    ConnectorHealthSensor,
    QueryHealthSensor,
    SlotHealthSensor,
)

pipelines = declared_pipelines()

with DAG(
    dag_id="cdc_health",
    description="Checks connectors, progress, checkpoints and replication slots; a breach sends a mail",
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
    for pipeline in pipelines:
        with TaskGroup(group_id=pipeline.name, tooltip=pipeline.description):
            common: dict[str, Any] = {
                "pipeline": pipeline.name,
                "grace_s": "{{ params.grace_s }}",
                "timeout_s": "{{ params.grace_s }}",
                "on_failure_callback": FailureMail.of(pipeline),
            }
            ConnectorHealthSensor(task_id="check_connector", **common)
            SlotHealthSensor(task_id="check_slot", **common)
            for stream in pipeline.streams:
                QueryHealthSensor(task_id=f"check_queries_{stream.name}", stream=stream.name, **common)
                CheckpointHealthSensor(
                    task_id=f"check_checkpoints_{stream.name}", stream=stream.name, **common
                )
