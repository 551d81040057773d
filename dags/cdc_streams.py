"""DAGs `cdc_stream_<stream>`: one for each Spark application, which it launches and never owns."""

from __future__ import annotations

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param

from cdc_airflow.dag_defaults import TASK_DEFAULTS, seconds
from cdc_airflow.dag_texts import stream_text
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.ensure_stream import EnsureStreamOperator
from cdc_airflow.pipelines import (
    ENSURE_SCHEDULE,
    applied_asset,
    declared_pipelines,
    stream_dag_ids,
)
from cdc_airflow.sensors.check import FirstProgressSensor

pipelines = declared_pipelines()
dag_ids = stream_dag_ids(pipelines)

for pipeline in pipelines:
    for stream in pipeline.streams:
        with DAG(
            dag_id=dag_ids[pipeline.name, stream.name],
            description=f"Keeps the Spark application {stream.app_name} running",
            doc_md=stream_text(stream, pipeline),
            schedule=AssetOrTimeSchedule(
                assets=[applied_asset(pipeline.name)],
                timetable=CronTriggerTimetable(ENSURE_SCHEDULE, timezone="UTC"),
            ),
            catchup=False,
            # Two at once are harmless (one driver comes of it); more would only wait for each other.
            max_active_runs=2,
            tags=["cdc", "stream", pipeline.name],
            default_args=TASK_DEFAULTS | {"on_failure_callback": FailureMail.of(pipeline, once=True)},
            params={
                "action": Param(
                    "ensure",
                    enum=["ensure", "restart", "pause", "resume", "stop"],
                    title="Action",
                    description="ensure: one driver runs; restart: a new one even so; pause: none runs and "
                    "nobody is alarmed, until resume; stop: none runs.",
                ),
                "start_timeout_s": seconds(300, "Wait for YARN", "Until the application runs.", minimum=10),
                "progress_timeout_s": seconds(
                    300, "Wait for progress", "Until each sink has progress.", minimum=10
                ),
            },
        ) as dag:
            ensure = EnsureStreamOperator(
                task_id="ensure_stream",
                pipeline=pipeline.name,
                stream=stream.name,
                action="{{ params.action }}",
                start_timeout_s="{{ params.start_timeout_s }}",
            )
            progress = FirstProgressSensor(
                task_id="wait_for_first_progress",
                pipeline=pipeline.name,
                stream=stream.name,
                timeout_s="{{ params.progress_timeout_s }}",
                skip="{{ params.action in ('stop', 'pause') }}",
            )
            ensure >> progress
        globals()[dag.dag_id] = dag
