"""Registers the platform's timetables and deadline references with Airflow, which reads stored DAGs by them."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from cdc_airflow.notifications.deadline import RunCreated
from cdc_airflow.timetables import AskedIntervals


class CdcSchedulingPlugin(AirflowPlugin):
    """What decides when DAGs of the platform run, and when they are late."""

    name = "cdc_scheduling"
    timetables = [AskedIntervals]  # noqa: RUF012 - Airflow reads it from the class
    deadline_references = [RunCreated]  # noqa: RUF012
