"""DAG `cdc_watermarks`: proves what each table is complete up to, and tells the DAGs that wait for it."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from cdc_airflow import dag_texts
from cdc_airflow.dag_defaults import TASK_DEFAULTS, seconds
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.prove_watermarks import ProveWatermarksOperator
from cdc_airflow.pipelines import cron_schedule, declared_pipelines

pipelines = declared_pipelines()

with DAG(
    dag_id="cdc_watermarks",
    description='Proves for each table and sink "complete up to here", an asset event for each proof',
    doc_md=dag_texts.WATERMARKS,
    schedule=cron_schedule(p.policies.watermarks_schedule for p in pipelines),
    catchup=False,
    max_active_runs=1,
    tags=["cdc", "watermarks", *(pipeline.name for pipeline in pipelines)],
    # The next run proves more than a late retry of this one.
    default_args=TASK_DEFAULTS | {"retries": 1, "execution_timeout": timedelta(minutes=20)},
    params={
        "capture_patience_s": seconds(
            60, "Wait for capture", "Until Debezium has confirmed what the source's log has now."
        ),
        "sink_patience_s": seconds(60, "Wait for the sinks", "Until they have written what Kafka has then."),
    },
) as dag:
    for pipeline in pipelines:
        ProveWatermarksOperator(
            task_id=f"prove_{pipeline.name}",
            pipeline=pipeline.name,
            capture_patience_s="{{ params.capture_patience_s }}",
            sink_patience_s="{{ params.sink_patience_s }}",
            on_failure_callback=FailureMail.of(pipeline),
        )
