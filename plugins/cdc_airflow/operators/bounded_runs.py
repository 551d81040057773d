"""Backfills, replays and resyncs of a pipeline's tables, by bounded applications on YARN."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdc.errors import CdcError, ConfigurationError
from cdc.spec import Pipeline, SinkSpec, StreamSpec
from cdc_airflow.hooks.cdc import CdcHook, connection_ids
from cdc_airflow.operators.submission import SPARK, describe, terminal_at_once
from cdc_airflow.pipelines import ALL, find_pipeline

if TYPE_CHECKING:
    from cdc.connections import Connections
    from cdc.model.bounded_run import BoundedRun
    from cdc.ops import OpsStore


class BoundedRunOperator(SparkSubmitOperator):
    """Asks for runs and has the streams' own jobs do them.

    How it works: what is asked for is checked and recorded in the ops store, then one application for each
    stream does it piece after piece and records how far it is, which this task's log repeats. A task that is
    tried again, or a run of the same part within a day, goes on behind the last piece.

    What it does not do: hold up the stream, or overwrite what is newer.

    Args:
        pipeline: the pipeline's name; its file is read when the task runs.
        only: the pipeline that this run is about, or `all`.
        table: the table, by its name at the source or in the sinks.
    """

    template_fields: Sequence[str] = (*SparkSubmitOperator.template_fields, "only", "table")

    def __init__(self, *, pipeline: str, only: str = ALL, table: str, **kwargs: Any) -> None:
        super().__init__(
            conn_id=SPARK,
            deploy_mode="cluster",
            yarn_track_via_rm_api=True,
            # The ops store knows where a run was broken off.
            durable=False,
            **kwargs,
        )
        self.pipeline, self.only, self.table = pipeline, only, table

    def execute(self, context: Any) -> Any:
        """Ask and do; skipped when this run is about another pipeline, failed when something is left."""
        from cdc.ops import OpsStore

        if self.only not in (ALL, self.pipeline):
            raise AirflowSkipException(f"this run is about pipeline {self.only!r}")
        pipeline, _ = find_pipeline(self.pipeline)
        connections = CdcHook().connections(connection_ids(pipeline))
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            ops.ensure_schema()
            runs = self.ask(pipeline, connections, ops, context)
            for run in runs:
                self.say(f"{run.sentence} (run {run.id})")
            ended = self.do(pipeline, connections, ops, runs, context)
        return [run.as_document() for run in ended]

    @abstractmethod
    def ask(
        self, pipeline: Pipeline, connections: Connections, ops: OpsStore, context: Any
    ) -> list[BoundedRun]:
        """Check and record what is to be done."""

    def do(
        self,
        pipeline: Pipeline,
        connections: Connections,
        ops: OpsStore,
        runs: Sequence[BoundedRun],
        context: Any,
    ) -> list[BoundedRun]:
        """Do it on YARN."""
        from cdc.services.bounded_runs import carry_out, failures_of

        def launch(stream: StreamSpec, arguments: Sequence[str], purpose: str) -> None:
            with tempfile.TemporaryDirectory(prefix="cdc-submit-") as folder:
                describe(self, stream, Path(folder), extra_args=arguments, purpose=purpose)
                # The hook of the application before has its arguments.
                self._hook = None
                with terminal_at_once(lambda: failures_of(ops, runs)):
                    SparkSubmitOperator.execute(self, context)

        return carry_out(pipeline, ops, runs, launch, self.say)

    def say(self, sentence: str) -> None:
        """A line of the task's log."""
        self.log.info("%s", sentence)

    def _required(self, pipeline: Pipeline) -> str:
        if not self.table:
            names = ", ".join(table.name for table in pipeline.tables)
            raise ConfigurationError(f"received no table, expected one of {names}")
        return self.table


def begins_anew(anew: bool | str, context: Any) -> bool:
    """Whether a run that was broken off is left behind; a second try of the task goes on with its first."""
    return str(anew).lower() == "true" and context["ti"].try_number == 1


class BackfillOperator(BoundedRunOperator):
    """Reads rows again from the source: everything, a range of keys, or those of a condition.

    Args:
        scope: `everything`, `key range` or `condition`; what does not belong to it is not taken.
        from_key: the first key.
        until_key: the key behind the last one.
        where: the condition.
        method: `direct` or `snapshot` (`cdc.model.bounded_run.Method`).
        anew: true (or the text of it) never goes on with a run that was broken off.
    """

    FIELDS = ("table", "scope", "from_key", "until_key", "where", "method", "anew")
    """What the DAG's form asks."""
    template_fields: Sequence[str] = (*BoundedRunOperator.template_fields, *FIELDS[1:])

    def __init__(
        self,
        *,
        scope: str,
        from_key: str = "",
        until_key: str = "",
        where: str = "",
        method: str = "direct",
        anew: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.scope, self.from_key, self.until_key = scope, from_key, until_key
        self.where, self.method, self.anew = where, method, anew

    def ask(
        self, pipeline: Pipeline, connections: Connections, ops: OpsStore, context: Any
    ) -> list[BoundedRun]:
        """One run."""
        from cdc.model.bounded_run import Method, scope_of
        from cdc.services.bounded_runs import ask_backfill

        table = pipeline.table(self._required(pipeline))
        scope = scope_of(self.scope, table.key, self.from_key, self.until_key, self.where)
        run = ask_backfill(
            pipeline,
            connections,
            ops,
            table,
            scope,
            method=Method(self.method),
            anew=begins_anew(self.anew, context),
            say=self.say,
        )
        return [run]

    def do(
        self,
        pipeline: Pipeline,
        connections: Connections,
        ops: OpsStore,
        runs: Sequence[BoundedRun],
        context: Any,
    ) -> list[BoundedRun]:
        """By the stream's job, or by Debezium, for which this task waits."""
        from cdc.model.bounded_run import Method
        from cdc.services.bounded_runs import recorded, told
        from cdc.services.source_snapshot import snapshot_part

        if self.method != Method.SNAPSHOT:
            return super().do(pipeline, connections, ops, runs, context)
        (run,) = runs
        with recorded(ops, runs, self.say):
            snapshot_part(pipeline, connections, ops, pipeline.table(run.table), run)
        return [told(ops, run, self.say)]


class ReplayOperator(BoundedRunOperator):
    """Reads a stretch of topics again, with the original versions.

    Args:
        table: `all` are the pipeline's.
        since: where it begins; empty for the beginning of the run's data interval.
        until: where it ends, excluded; empty for the end of the run's data interval.
        sink: `all`, or the one sink that is written.
        anew: true (or the text of it) never goes on with a run that was broken off.
    """

    template_fields: Sequence[str] = (*BoundedRunOperator.template_fields, "since", "until", "sink", "anew")

    def __init__(
        self, *, since: str = "", until: str = "", sink: str = ALL, anew: bool | str = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.since, self.until, self.sink, self.anew = since, until, sink, anew

    def ask(
        self, pipeline: Pipeline, connections: Connections, ops: OpsStore, context: Any
    ) -> list[BoundedRun]:
        """A run for each table that has events in the stretch."""
        from cdc.model.replay_window import asked_bounds
        from cdc.services.bounded_runs import ask_replay

        dag_run = context["dag_run"]
        begin, end = dag_run.data_interval_start, dag_run.data_interval_end
        since, until = asked_bounds(self.since, self.until, (begin, end) if begin and end else None)
        self.say(f"from {since} until {until}")
        tables = pipeline.tables if self.table == ALL else [pipeline.table(self._required(pipeline))]
        sinks: list[SinkSpec] = [] if self.sink == ALL else [pipeline.sink(self.sink)]
        runs: list[BoundedRun] = []
        try:
            for table in tables:
                asked = ask_replay(
                    pipeline,
                    connections,
                    ops,
                    table,
                    since,
                    until,
                    sinks=sinks,
                    anew=begins_anew(self.anew, context),
                    say=self.say,
                )
                runs.append(asked)
        except CdcError as error:
            for run in runs:
                ops.end_run(run.id, f"another table cannot be replayed: {error}", failed=True)
            raise
        return runs


class ResyncOperator(BoundedRunOperator):
    """Parks a table, builds it anew in every sink beside the old one, exchanges the two, and resumes it."""

    def ask(
        self, pipeline: Pipeline, connections: Connections, ops: OpsStore, context: Any
    ) -> list[BoundedRun]:
        """One run."""
        from cdc.services.bounded_runs import ask_resync
        from cdc.services.captured import refuse_unsent

        table = pipeline.table(self._required(pipeline))
        refuse_unsent(pipeline, connections, ops, table)
        return [ask_resync(pipeline, connections, ops, table)]
