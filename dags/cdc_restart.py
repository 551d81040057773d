"""DAGs `cdc_restart_<pipeline>`: each stream of a pipeline is drained and started again, one by one."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, TriggerRule

from cdc_airflow import dag_texts
from cdc_airflow.dag_defaults import TASK_DEFAULTS, seconds
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.ensure_stream import EnsureStreamOperator
from cdc_airflow.pipelines import cron_schedule, declared_pipelines
from cdc_airflow.sensors.check import FirstProgressSensor

for pipeline in declared_pipelines():
    with DAG(
        dag_id=f"cdc_restart_{pipeline.name}",
        description=f"Restarts every stream of {pipeline.name} between two batches, one after the other",
        doc_md=dag_texts.RESTART,
        schedule=cron_schedule([pipeline.policies.restart_schedule]),
        catchup=False,
        max_active_runs=1,
        tags=["cdc", "stream", pipeline.name],
        default_args=TASK_DEFAULTS | {"on_failure_callback": FailureMail.of(pipeline)},
        params={
            "start_timeout_s": seconds(300, "Wait for YARN", "Until each application runs.", minimum=10),
            "progress_timeout_s": seconds(
                300, "Wait for progress", "Until each sink of a stream has progress.", minimum=10
            ),
        },
    ) as dag:
        previous: Any = None
        for stream in pipeline.streams:
            restart = EnsureStreamOperator(
                task_id=f"restart_{stream.name}",
                pipeline=pipeline.name,
                stream=stream.name,
                action="restart",
                only_wanted=True,
                start_timeout_s="{{ params.start_timeout_s }}",
                # One that is stopped or paused is skipped; one that does not come back ends the round.
                trigger_rule=TriggerRule.NONE_FAILED,
            )
            progress = FirstProgressSensor(
                task_id=f"wait_{stream.name}",
                pipeline=pipeline.name,
                stream=stream.name,
                timeout_s="{{ params.progress_timeout_s }}",
            )
            restart >> progress
            if previous is not None:
                previous >> restart
            previous = progress
    globals()[dag.dag_id] = dag
