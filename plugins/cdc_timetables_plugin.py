"""Registers the platform's timetables with Airflow, which reads stored DAGs back with them."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from cdc_airflow.timetables import AskedIntervals


class CdcTimetablesPlugin(AirflowPlugin):
    """Timetables that DAGs of the platform use."""

    name = "cdc_timetables"
    timetables = [AskedIntervals]  # noqa: RUF012 - Airflow reads it from the class
