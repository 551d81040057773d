"""Keeps one sink of a pipeline in shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdc_airflow.hooks.cdc import CdcHook, connection_ids
from cdc_airflow.pipelines import ALL, find_pipeline


class KeepUpOperator(BaseOperator):
    """Does what `cdc maintain --sink …` does, logs the figures before and after, and leaves reports of them.

    Args:
        pipeline: the pipeline's name.
        sink: the sink's name.
        only: `all`, or the one pipeline that this run is about; the others' tasks are skipped.
        table: `all`, or one table by its name in the sinks.
        horizon_age_minutes: as in `cdc.services.upkeep.keep_up`; empty for the policy's.
    """

    template_fields: Sequence[str] = ("only", "table", "horizon_age_minutes")

    def __init__(
        self,
        *,
        pipeline: str,
        sink: str,
        only: str = ALL,
        table: str = ALL,
        horizon_age_minutes: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline, self.sink = pipeline, sink
        self.only, self.table, self.horizon_age_minutes = only, table, horizon_age_minutes

    def execute(self, context: Any) -> dict[str, list[str]]:
        """Keep up; returns what was done, by table."""
        from cdc.services.upkeep import keep_up
        from cdc.services.upkeep_report import TableUpkeep

        pipeline, _ = find_pipeline(self.pipeline)
        if self.only not in (ALL, self.pipeline):
            raise AirflowSkipException(f"this run is about pipeline {self.only!r} only")
        if self.table != ALL and self.table not in {table.name for table in pipeline.tables}:
            raise AirflowSkipException(f"pipeline {self.pipeline} has no table {self.table!r}")

        def say(step: TableUpkeep) -> None:
            for line in step.lines():
                self.log.info("%s", line)

        report = keep_up(
            pipeline,
            CdcHook().connections(connection_ids(pipeline)),
            run=f"{self.dag_id} {context['run_id']}",
            sinks=[self.sink],
            tables=None if self.table == ALL else [self.table],
            horizon_age_minutes=int(self.horizon_age_minutes) if self.horizon_age_minutes else None,
            on_step=say,
        )
        for what, count in report.purged.items():
            self.log.info("removed %s old %s from the ops store", f"{count:,}", what)
        return {step.table: list(step.done) for step in report.tables}
