"""Timetables of the platform's own."""

from __future__ import annotations

from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable


class AskedIntervals(CronDataIntervalTimetable):
    """Data intervals of which only those are run that somebody asks for.

    `airflow backfill create` gives a run to each interval between two dates. The scheduler gives none: a run
    of its own would be in the way, since a backfill passes over days that have a run.
    """

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next interval, for a backfill, which catches up whatever the DAG says."""
        if not restriction.catchup:
            return None
        return super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )
