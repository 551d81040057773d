"""Hands the dead letters of one stream to their sinks again."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdc.errors import DataError
from cdc.spec import Pipeline
from cdc_airflow.hooks.cdc import CdcHook
from cdc_airflow.operators.submission import SPARK, describe, terminal_at_once
from cdc_airflow.pipelines import ALL, find_pipeline


class ReplayDeadLettersOperator(SparkSubmitOperator):
    """Runs the stream's job over its open dead letters on YARN, until it has ended.

    How it works: a bounded application beside the stream, under a name of its own. Rows get their original
    versions, so neither the running stream nor a second replay is in the way. A worker that dies finds the
    application again; a task that is stopped kills it, which loses nothing.

    What it does not do: mend the cause. What fails again stays open, with its new error, and fails the task.

    Args:
        pipeline: the pipeline's name; its file is read when the task runs.
        stream: the stream's name.
        only: `all`, or the one pipeline that this run is about.
        table: `all`, or the one table, by its name in the sinks.
        sink: `all`, or the one sink.
    """

    template_fields: Sequence[str] = (*SparkSubmitOperator.template_fields, "only", "table", "sink")

    def __init__(
        self,
        *,
        pipeline: str,
        stream: str,
        only: str = ALL,
        table: str = ALL,
        sink: str = ALL,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            conn_id=SPARK,
            deploy_mode="cluster",
            yarn_track_via_rm_api=True,
            # A task that is cleared replays again; the provider would find the application that has ended.
            durable=False,
            **kwargs,
        )
        self.pipeline = pipeline
        self.stream = stream
        self.only = only
        self.table = table
        self.sink = sink

    def execute(self, context: Any) -> Any:
        """Replay; skipped when there is nothing to do, failed when dead letters are left."""
        from cdc.services.dead_letters import replay_arguments, replay_report

        if self.only not in (ALL, self.pipeline):
            raise AirflowSkipException(f"this run is about pipeline {self.only!r} only")
        pipeline, _ = find_pipeline(self.pipeline)
        before = self._waiting(pipeline)
        if not before:
            raise AirflowSkipException(f"stream {self.stream} has no such open dead letters")
        arguments = replay_arguments(sorted({table for table, _ in before}), self._sink)
        with tempfile.TemporaryDirectory(prefix="cdc-submit-") as folder:
            stream = pipeline.stream(self.stream)
            describe(self, stream, Path(folder), extra_args=arguments, purpose="replay")
            with terminal_at_once():
                super().execute(context)
        report = replay_report(before, self._waiting(pipeline))
        for sentence in report.sentences:
            self.log.info("%s", sentence)
        if report.left:
            raise DataError(
                f"dead letters fail again: {'; '.join(report.sentences)}: `cdc dead-letters list` shows why"
            )

    @property
    def _sink(self) -> str | None:
        return None if self.sink == ALL else self.sink

    def _waiting(self, pipeline: Pipeline) -> dict[tuple[str, str], int]:
        from cdc.ops import OpsStore

        names = {table.name for table in pipeline.stream(self.stream).tables}
        wanted = None if self.table == ALL else self.table
        with OpsStore(CdcHook().connections([pipeline.ops.connection]).get(pipeline.ops.connection)) as ops:
            ops.ensure_schema()
            found = ops.count_dead_letters(pipeline.name, wanted, self._sink)
        return {place: count for place, count in found.items() if place[0] in names}
