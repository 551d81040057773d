"""DAG `cdc_backfill`: rows of a table once more from the source, beside the running stream."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, TaskGroup

from cdc_airflow import dag_texts
from cdc_airflow.dag_defaults import ANEW, TASK_DEFAULTS, one_table
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.bounded_runs import BackfillOperator
from cdc_airflow.pipelines import declared_pipelines

pipelines = declared_pipelines()

with DAG(
    dag_id="cdc_backfill",
    description="Reads rows of a table again from the source: everything, a key range, or a condition",
    doc_md=dag_texts.BACKFILL,
    schedule=None,
    catchup=False,
    # Each is a Spark application beside the streams: one after the other fits a small cluster.
    max_active_runs=1,
    tags=["cdc", "backfill", *(pipeline.name for pipeline in pipelines)],
    default_args=TASK_DEFAULTS | {"execution_timeout": timedelta(hours=24)},
    params={
        **one_table(pipelines),
        "scope": Param(
            "everything",
            enum=["everything", "key range", "condition"],
            title="Scope",
            description="Which rows; fill in what belongs to it.",
        ),
        "from_key": Param(
            "",
            type="string",
            title="From key",
            description="Key range: the first key; a JSON list where a key has several columns.",
        ),
        "until_key": Param(
            "", type="string", title="Until key", description="Key range: the key behind the last one."
        ),
        "where": Param(
            "",
            type="string",
            title="Condition",
            description="Condition: one SQL expression over the source's columns, such as status = 'paid'.",
        ),
        "method": Param(
            "direct",
            enum=["direct", "snapshot"],
            title="Method",
            description="direct: the stream's own job reads the rows; snapshot: Debezium does, as events.",
        ),
        "anew": ANEW,
    },
) as dag:
    for pipeline in pipelines:
        with TaskGroup(group_id=pipeline.name, tooltip=pipeline.description):
            BackfillOperator(
                task_id="backfill",
                pipeline=pipeline.name,
                only="{{ params.pipeline }}",
                on_failure_callback=FailureMail.of(pipeline),
                **{name: f"{{{{ params.{name} }}}}" for name in BackfillOperator.FIELDS},
            )
