"""DAG `cdc_reconciliation`: every row of the sinks against the source, or those of a window of time."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from cdc_airflow import dag_texts
from cdc_airflow.notifications.deadline import deadline_of
from cdc_airflow.pipelines import declared_pipelines, interval_schedule, reconciliation_dags
from cdc_airflow.reconcile_dag import REPAIR_PARAMS, pipeline_param, reconcile_options, reconcile_tasks

WINDOW = Param(
    "auto",
    enum=["auto", "interval", "all"],
    title="Rows",
    description="interval: those whose event_time lies in the run's data interval; all: every row; auto: "
    "the interval in a backfill, what the pipeline's YAML says in any other run.",
)

for dag_id, pipelines in reconciliation_dags(declared_pipelines()).items():
    with DAG(
        dag_id=dag_id,
        description="Compares source and sinks while changes flow, mends what differs, and sends a mail",
        doc_md=dag_texts.RECONCILIATION,
        schedule=interval_schedule(next((p.policies.reconcile_schedule for p in pipelines), None)),
        deadline=deadline_of(pipelines, [p.policies.reconcile_deadline_minutes for p in pipelines]),
        params={"pipeline": pipeline_param(pipelines), **REPAIR_PARAMS, "window": WINDOW},
        **reconcile_options(pipelines),
    ) as dag:
        reconcile_tasks(pipelines, only_changed=False, window="{{ params.window }}")
    globals()[dag_id] = dag
