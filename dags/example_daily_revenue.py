"""DAG `example_daily_revenue`: an analytics schema on top of change data, a day at a time, without guessing.

It runs when `cdc_watermarks` has proven that its tables have advanced, and builds each day once, after all of
them are complete beyond the day's end. Take it as a pattern for your own.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param

from cdc_airflow import dag_texts
from cdc_airflow.dag_defaults import TASK_DEFAULTS
from cdc_airflow.notifications.failure_mail import FailureMail
from cdc_airflow.operators.build_closed_days import BuildClosedDaysOperator
from cdc_airflow.pipelines import declared_pipelines, watermark_asset

TABLES = ("orders_fact", "order_items")
SHOPS = [p for p in declared_pipelines() if {t.name for t in p.tables}.issuperset(TABLES)]
WAREHOUSE: dict[str, Any] = {
    "prepare": [
        "CREATE SCHEMA IF NOT EXISTS marts",
        """CREATE TABLE IF NOT EXISTS marts.daily_revenue (day date, currency text, orders bigint,
        items bigint, revenue numeric(24,2), PRIMARY KEY (day, currency))""",
    ],
    "candidates": "SELECT DISTINCT (ordered_at AT TIME ZONE 'UTC')::date FROM public.orders_fact",
    "statements": [
        "DELETE FROM marts.daily_revenue WHERE day = %(day)s",
        """INSERT INTO marts.daily_revenue
        SELECT %(day)s, o.currency, count(DISTINCT o.id), sum(i.quantity), sum(i.line_total)
        FROM public.orders_fact AS o JOIN public.order_items AS i ON i.order_id = o.id
        WHERE o.status <> 'cancelled' AND (o.ordered_at AT TIME ZONE 'UTC')::date = %(day)s
        GROUP BY o.currency""",
    ],
}
# Date would wrap around before 1970 and after 2149, and a char(3) keeps its padding, which a text has not.
CLICKHOUSE: dict[str, Any] = {
    "prepare": [
        "CREATE DATABASE IF NOT EXISTS marts",
        """CREATE TABLE IF NOT EXISTS marts.daily_revenue (day Date32, currency String, orders UInt64,
        items Int64, revenue Decimal(38, 2)) ENGINE = MergeTree ORDER BY (day, currency)""",
    ],
    "candidates": "SELECT DISTINCT toDate32(ordered_at, 'UTC') FROM analytics.orders_fact",
    "statements": [
        "DELETE FROM marts.daily_revenue WHERE day = {day:Date32}",
        """INSERT INTO marts.daily_revenue
        SELECT {day:Date32}, trimRight(o.currency) AS currency, uniqExact(o.id), sum(i.quantity),
            sum(i.line_total)
        FROM analytics.orders_fact AS o JOIN analytics.order_items AS i ON i.order_id = o.id
        WHERE o.status <> 'cancelled' AND toDate32(o.ordered_at, 'UTC') = {day:Date32}
        GROUP BY currency""",
    ],
}

for shop in SHOPS:
    with DAG(
        dag_id="example_daily_revenue" if len(SHOPS) == 1 else f"example_daily_revenue_{shop.name}",
        description="Builds marts.daily_revenue in both sinks, each day once, when it is proven to be over",
        doc_md=dag_texts.DAILY_REVENUE,
        schedule=[watermark_asset(shop.name, table, sink.name) for table in TABLES for sink in shop.sinks],
        catchup=False,
        max_active_runs=1,
        tags=["cdc", "example", shop.name],
        default_args=TASK_DEFAULTS | {"on_failure_callback": FailureMail.of(shop)},
        params={
            "again_from": Param(
                None,
                type=["null", "string"],
                format="date",
                title="Build again from",
                description="Days from this one on are built again, such as after late corrections.",
            ),
        },
    ) as dag:
        for sink in shop.sinks:
            BuildClosedDaysOperator(
                task_id=f"build_{sink.name}",
                pipeline=shop.name,
                sink=sink.name,
                build="daily_revenue",
                tables=TABLES,
                again_from="{{ params.again_from or '' }}",
                **(CLICKHOUSE if sink.type == "clickhouse" else WAREHOUSE),
            )
    globals()[dag.dag_id] = dag
