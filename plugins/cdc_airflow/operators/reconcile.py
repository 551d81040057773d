"""Compares the tables of one stream with their copies, and mends what differs by the stream's own job."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdc.errors import DataError
from cdc.spec import Pipeline, TableSpec
from cdc_airflow.hooks.cdc import CdcHook, connection_ids
from cdc_airflow.notifications.difference_mail import DifferenceMail
from cdc_airflow.operators.submission import SPARK, describe, terminal_at_once
from cdc_airflow.pipelines import ALL, find_pipeline
from cdc_airflow.run_window import Run, chosen_window, run_of

if TYPE_CHECKING:
    from cdc.ops import OpsStore
    from cdc.services.reconcile_report import TableReconciliation


class ReconcileOperator(SparkSubmitOperator):
    """Runs the reconciliation in the task, and a bounded application on YARN for what has to be repaired.

    How it works: checksums are computed inside each database; rows that differ are looked at until no change
    under way explains them; then the stream's job reads them again from the source. A mail tells what
    differed, also when it was mended; what is left fails the task.

    What it does not do: compare a sink in which the table is parked.

    Args:
        pipeline: the pipeline's name; its file is read when the task runs.
        stream: the stream's name.
        only: `all`, or the one pipeline that this run is about.
        tables: `all`, or names of tables, separated by commas.
        repair: `policy`, `yes` or `no`.
        only_changed: only tables whose partitions or definition changed without events.
        window: `interval`, rows whose event time lies in the run's data interval; `all`; or `auto`, the
            interval in a backfill, and the policy's choice in any other run.
    """

    template_fields: Sequence[str] = (
        *SparkSubmitOperator.template_fields,
        "only",
        "tables",
        "repair",
        "window",
    )

    def __init__(
        self,
        *,
        pipeline: str,
        stream: str,
        only: str = ALL,
        tables: str = ALL,
        repair: str = "policy",
        only_changed: bool = False,
        window: str = "all",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            conn_id=SPARK,
            deploy_mode="cluster",
            yarn_track_via_rm_api=True,
            # Each repair is another application; one that was lost is found out by comparing again.
            durable=False,
            **kwargs,
        )
        self.pipeline = pipeline
        self.stream = stream
        self.only = only
        self.tables = tables
        self.repair = repair
        self.only_changed = only_changed
        self.window = window

    def execute(self, context: Any) -> Any:
        """Reconcile; skipped when this run is about other tables, failed when something is left."""
        from cdc.ops import OpsStore
        from cdc.services.reconcile_run import paused_streams, reconcile_tables, unread_tables

        if self.only not in (ALL, self.pipeline):
            raise AirflowSkipException(f"this run is about pipeline {self.only!r} only")
        pipeline, _ = find_pipeline(self.pipeline)
        chosen = self._chosen(pipeline)
        if not chosen:
            raise AirflowSkipException(f"stream {self.stream} has none of the tables {self.tables}")
        mends = self.repair == "yes" or (self.repair == "policy" and pipeline.policies.reconcile_repair)
        connections = CdcHook().connections(connection_ids(pipeline))

        def mend(run: UUID, differing: Sequence[TableSpec], sinks: Sequence[str]) -> None:
            self._mend(pipeline, run, differing, sinks, context)

        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            ops.ensure_schema()
            if self.stream in paused_streams(pipeline, ops):
                raise AirflowSkipException(
                    f"stream {self.stream} is paused: what it writes later is compared"
                )
            run = run_of(context)
            chosen = self._captured(pipeline, chosen, run, ops)
            reports: list[TableReconciliation] = []
            try:
                reconcile_tables(
                    pipeline,
                    connections,
                    ops,
                    chosen,
                    mend=mend if mends else None,
                    say=lambda step: self.log.info("%s", step),
                    only_changed=self.only_changed,
                    window=chosen_window(self.window, run, windows=pipeline.policies.reconcile_windows),
                    unread=unread_tables(pipeline, connections, self.log.info),
                    told=reports.append,
                )
            except Exception:
                # The next try finds what was mended equal, and would tell nobody that it had differed.
                self._mail(pipeline, reports, context)
                raise
        self._tell(pipeline, reports, context)
        return [report.as_dict() for report in reports]

    def _chosen(self, pipeline: Pipeline) -> list[TableSpec]:
        tables = pipeline.stream(self.stream).tables
        if self.tables == ALL:
            return list(tables)
        wanted = {pipeline.table(name.strip()).name for name in self.tables.split(",") if name.strip()}
        return [table for table in tables if table.name in wanted]

    def _captured(
        self, pipeline: Pipeline, chosen: Sequence[TableSpec], run: Run, ops: OpsStore
    ) -> list[TableSpec]:
        """Leave out what the schedule asks for too early: a table that was not captured in the interval."""
        if run.type != "scheduled" or self.only_changed or run.interval is None:
            return list(chosen)
        since = ops.captured_since(pipeline.name)
        ready = [t for t in chosen if t.source in since and since[t.source] < run.interval[1]]
        if not ready:
            raise AirflowSkipException(
                f"stream {self.stream} is not captured since before {run.interval[1]:%Y-%m-%d %H:%M} UTC, "
                "where this run's interval ends: the next run compares it"
            )
        return ready

    def _mend(
        self, pipeline: Pipeline, run: UUID, tables: Sequence[TableSpec], sinks: Sequence[str], context: Any
    ) -> None:
        from cdc.services.reconcile_run import repair_arguments

        with tempfile.TemporaryDirectory(prefix="cdc-submit-") as folder:
            stream = pipeline.stream(self.stream)
            arguments = repair_arguments(run, tables, sinks)
            describe(self, stream, Path(folder), extra_args=arguments, purpose="repair")
            # The hook of the repair before has its arguments.
            self._hook = None
            with terminal_at_once():
                super().execute(context)

    def _mail(self, pipeline: Pipeline, reports: Sequence[TableReconciliation], context: Any) -> None:
        from cdc.services.reconcile_run import sentences

        differing = [report for report in reports if not report.equal or report.cut]
        if differing:
            lines = [line for report in differing for line in sentences(report)]
            DifferenceMail(pipeline.name, self.stream, pipeline.alerts, lines).notify(context)

    def _tell(self, pipeline: Pipeline, reports: Sequence[TableReconciliation], context: Any) -> None:
        from cdc.services.reconcile_run import sentences

        for report in reports:
            for line in sentences(report):
                self.log.info("%s", line)
        if not reports:
            self.log.info("no table's partitions or definition changed")
        self._mail(pipeline, reports, context)
        left = [report.table for report in reports if not report.settled]
        if left:
            raise DataError(
                f"{', '.join(left)} differ from the source: the log and `cdc_ops.reconciliations` say in "
                "what; `cdc reconcile --repair` mends it"
            )
