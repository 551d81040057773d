"""DAG `cdc_partition_watch`: tables whose partitions or definition changed, against the source."""

from __future__ import annotations

from airflow.sdk import DAG

from cdc_airflow import dag_texts
from cdc_airflow.pipelines import cron_schedule, declared_pipelines
from cdc_airflow.reconcile_dag import REPAIR_PARAMS, pipeline_param, reconcile_options, reconcile_tasks

pipelines = declared_pipelines()

with DAG(
    dag_id="cdc_partition_watch",
    description="Compares tables whose partitions or definition were changed without events",
    doc_md=dag_texts.PARTITION_WATCH,
    schedule=cron_schedule(p.policies.partitions_schedule for p in pipelines),
    params={"pipeline": pipeline_param(pipelines), **REPAIR_PARAMS},
    **reconcile_options(pipelines),
) as dag:
    reconcile_tasks(pipelines, only_changed=True)
