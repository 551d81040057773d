"""Builds what a downstream DAG derives from change data, a day at a time, once the day is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdc_airflow.hooks.cdc import CdcHook
from cdc_airflow.pipelines import find_pipeline


class BuildClosedDaysOperator(BaseOperator):
    """Runs SQL for each day beyond whose end all the tables are complete in the sink; each day once.

    How it works: the watermarks of the ops store say until when no transaction can come any more. Only that
    time closes a day: a row that is stamped before midnight may be committed after it. Days are UTC.

    What it does not do: build a day again because a row of it was changed later.

    Args:
        pipeline: the pipeline's name.
        sink: where it is built.
        build: the name under which the built days are remembered.
        tables: what is read, by the tables' names in the sinks.
        again_from: an ISO date; days from it on are built again. Empty for none.
        prepare, candidates, statements: as in `cdc.services.closed_days.DayBuild`.
    """

    template_fields: Sequence[str] = ("again_from",)

    def __init__(
        self,
        *,
        pipeline: str,
        sink: str,
        build: str,
        tables: Sequence[str],
        prepare: Sequence[str],
        candidates: str,
        statements: Sequence[str],
        again_from: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline, self.sink, self.build = pipeline, sink, build
        self.tables = tuple(tables)
        self.again_from = again_from
        self.prepare, self.candidates, self.statements = tuple(prepare), candidates, tuple(statements)

    def execute(self, context: Any) -> list[str]:
        """Build; skipped when no day is over."""
        from cdc.services.closed_days import DayBuild, build_closed_days

        pipeline, _ = find_pipeline(self.pipeline)
        connections = CdcHook().connections([pipeline.ops.connection, pipeline.sink(self.sink).connection])
        build = DayBuild(self.build, self.tables, self.prepare, self.candidates, self.statements)
        report = build_closed_days(
            pipeline,
            self.sink,
            build,
            connections,
            again_from=date.fromisoformat(self.again_from) if self.again_from else None,
            on_day=lambda day: self.log.info("building %s", day),
        )
        if not report.days:
            raise AirflowSkipException(f"no day to build: {report.waiting}")
        return [day.isoformat() for day in report.days]
