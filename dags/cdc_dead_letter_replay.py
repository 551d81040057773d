"""DAG `cdc_dead_letter_replay`: after a fix, hands the events that were set aside to the sinks again."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, TaskGroup

from cdc_airflow import dag_texts
from cdc_airflow.dag_defaults import TASK_DEFAULTS
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.replay_dead_letters import ReplayDeadLettersOperator
from cdc_airflow.pipelines import ALL, declared_pipelines

pipelines = declared_pipelines()
tables = sorted({table.name for pipeline in pipelines for table in pipeline.tables})
sinks = sorted({sink.name for pipeline in pipelines for sink in pipeline.sinks})

with DAG(
    dag_id="cdc_dead_letter_replay",
    description="Writes dead letters once more, with their original versions; run it after a fix",
    doc_md=dag_texts.REPLAY,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    # Each task is a Spark application beside the streams: one after the other fits a small cluster.
    max_active_tasks=1,
    tags=["cdc", "dead-letters", *(pipeline.name for pipeline in pipelines)],
    default_args=TASK_DEFAULTS | {"execution_timeout": timedelta(hours=2)},
    params={
        "pipeline": Param(
            ALL,
            enum=[ALL, *(pipeline.name for pipeline in pipelines)],
            title="Pipeline",
            description="Replay this one's only; the others are skipped.",
        ),
        "table": Param(ALL, enum=[ALL, *tables], title="Table", description="Replay this table's only."),
        "sink": Param(ALL, enum=[ALL, *sinks], title="Sink", description="Replay into this sink only."),
    },
) as dag:
    for pipeline in pipelines:
        with TaskGroup(group_id=pipeline.name, tooltip=pipeline.description):
            for stream in pipeline.streams:
                ReplayDeadLettersOperator(
                    task_id=f"replay_{stream.name}",
                    pipeline=pipeline.name,
                    stream=stream.name,
                    only="{{ params.pipeline }}",
                    table="{{ params.table }}",
                    sink="{{ params.sink }}",
                    on_failure_callback=FailureMail.of(pipeline),
                )
