"""DAG `cdc_replay`: a stretch of Kafka's events once more, by hand or by `airflow backfill create`."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, TaskGroup

from cdc_airflow import dag_texts
from cdc_airflow.dag_defaults import ANEW, TASK_DEFAULTS
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.bounded_runs import ReplayOperator
from cdc_airflow.pipelines import ALL, declared_pipelines, table_names
from cdc_airflow.timetables import AskedIntervals

pipelines = declared_pipelines()
names = [pipeline.name for pipeline in pipelines]
sinks = sorted({sink.name for pipeline in pipelines for sink in pipeline.sinks})

with DAG(
    dag_id="cdc_replay",
    description="Writes the events of a time or of offsets again, with their original versions",
    doc_md=dag_texts.WINDOW_REPLAY,
    # So that each run of `airflow backfill create` has a day.
    schedule=AskedIntervals("@daily", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=1,
    tags=["cdc", "replay", *names],
    default_args=TASK_DEFAULTS | {"execution_timeout": timedelta(hours=12)},
    params={
        "pipeline": Param(
            ALL, enum=[ALL, *names], title="Pipeline", description="This one's only; others are skipped."
        ),
        "table": Param(
            ALL,
            enum=[ALL, *table_names(pipelines)],
            title="Table",
            description="This table's events only, by its name in the sinks.",
        ),
        "from": Param(
            "",
            type="string",
            title="From",
            description="A time (2026-01-31T12:00:00Z), offsets (topic:partition:offset,…) or earliest; "
            "empty is the beginning of the run's data interval.",
        ),
        "until": Param(
            "",
            type="string",
            title="Until",
            description="The same, excluded; empty is latest, or the end of the run's data interval.",
        ),
        "sink": Param(ALL, enum=[ALL, *sinks], title="Sink", description="Into this sink only."),
        "anew": ANEW,
    },
) as dag:
    for pipeline in pipelines:
        with TaskGroup(group_id=pipeline.name, tooltip=pipeline.description):
            ReplayOperator(
                task_id="replay",
                pipeline=pipeline.name,
                only="{{ params.pipeline }}",
                table="{{ params.table }}",
                since="{{ params['from'] }}",
                until="{{ params.until }}",
                sink="{{ params.sink }}",
                anew="{{ params.anew }}",
                on_failure_callback=FailureMail.of(pipeline),
            )
