"""Keeps one driver of a stream running, or stops it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdc.errors import ConfigurationError, UnavailableError
from cdc.model.desired import Desired, ended_meanwhile, overtaken, refusal
from cdc.spec import Pipeline, StreamSpec
from cdc_airflow.hooks.cdc import CdcHook, connection_ids
from cdc_airflow.intent import context_asked_by_hand
from cdc_airflow.operators.submission import SPARK, describe
from cdc_airflow.pipelines import find_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdc.clients.yarn import YarnClient
    from cdc.ops import OpsStore

_ENDS = {"stop": Desired.STOPPED, "pause": Desired.PAUSED}


@dataclass(frozen=True)
class Target:
    """The stream, and the services that say what became of it."""

    pipeline: Pipeline
    stream: StreamSpec
    ops: OpsStore
    yarn: YarnClient

    @property
    def key(self) -> tuple[str, str]:
        """How the ops store names the stream."""
        return self.pipeline.name, self.stream.name


class EnsureStreamOperator(SparkSubmitOperator):
    """Makes sure that exactly one driver of the stream's current specification runs on YARN.

    How it works: `SparkSubmitOperator` in cluster mode, tracked by the ResourceManager's REST API, with three
    differences. Before it submits, it looks for a live application with the stream's tag, under a lock that
    all submitters share, and leaves one of the same specification alone; one of another is asked to stop
    first. It returns once the application runs, since a stream has no end to wait for. And it never kills an
    application: stopping the worker, clearing the task or restarting Airflow leaves the stream alone.

    What it does not do: look whether the driver makes progress. `FirstProgressSensor` and `cdc_health` do.

    Args:
        pipeline: the pipeline's name; its file is read when the task runs.
        stream: the stream's name.
        action: `ensure`; `restart`, a new driver even when one of the same specification runs; `stop`;
            `pause`, a stop that alarms nobody; or `resume`, which alone starts a paused stream.
        start_timeout_s: how long the application may take until YARN runs it.
        only_wanted: a stream that was stopped stays so, also when a person runs the DAG.
    """

    template_fields: Sequence[str] = (*SparkSubmitOperator.template_fields, "action", "start_timeout_s")

    def __init__(
        self,
        *,
        pipeline: str,
        stream: str,
        action: str = "ensure",
        start_timeout_s: float | str = 300,
        only_wanted: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=SPARK, deploy_mode="cluster", yarn_track_via_rm_api=True, **kwargs)
        self.pipeline = pipeline
        self.stream = stream
        self.action = action
        self.start_timeout_s = start_timeout_s
        self.only_wanted = only_wanted
        self._target: Target | None = None
        self._desired = Desired.RUNNING

    def execute(self, context: Any) -> Any:
        """Do what `action` says; returns the id of the application that runs, None after a stop."""
        from cdc.services.streams import stop_stream

        with self._reach() as target:
            self._give_up_when_overtaken(target, context)
            if self.action in _ENDS:
                stopped = stop_stream(target.yarn, target.ops, target.stream, desired=_ENDS[self.action])
                self.log.info("%s", stopped.sentence)
                return None
            self._desired = self._require_wanted(target, context)
            self._target = target
            with tempfile.TemporaryDirectory(prefix="cdc-submit-") as folder:
                describe(self, target.stream, Path(folder))
                return super().execute(context)

    def submit_job(self, context: Any) -> str:
        """Submit, unless a driver of this specification lives; the lock makes two runs at once harmless."""
        from cdc.services.orphans import end_doubles
        from cdc.services.streams import Restart, Reuse, ensure_decision, launch_lock, stop_stream

        target = self._reached
        app_name, wanted = target.stream.app_name, target.pipeline.spec_hash(target.stream)
        with launch_lock(target.ops, app_name):
            live, ended = end_doubles(target.yarn, target.ops, target.stream)
            for orphan in ended:
                self.log.warning("Ended: %s", orphan.sentence)
            decision = ensure_decision(live, app_name, wanted)
            # A restart that was broken off has left a driver that may be about to end.
            broken_off = self._still_wanted(self._desired) is Desired.RESTARTING
            if isinstance(decision, Reuse) and (self.action == "restart" or broken_off):
                self.log.info("A new driver is asked for, though one with this spec runs")
                decision = Restart(decision.application)
            self.log.info("%s: %s", app_name, decision.sentence)
            if isinstance(decision, Restart):
                stopped = stop_stream(target.yarn, target.ops, target.stream, desired=Desired.RESTARTING)
                self.log.info("%s", stopped.sentence)
                self._still_wanted(Desired.RESTARTING)
            target.ops.request_run(*target.key)
            if isinstance(decision, Reuse):
                return decision.application.id
            application = super().submit_job(context)
            if application is None:
                raise UnavailableError("spark-submit gave no application id: its output is in this log")
            target.ops.record_launch(*target.key, application, wanted)
            self._wait_for(application, ("SUBMITTED", "ACCEPTED", "RUNNING"))
        return application

    def is_job_succeeded(self, status: str) -> bool:
        """Never: a stream that has ended, in whatever way, is submitted again."""
        return False

    def poll_until_complete(self, external_id: Any, context: Any) -> None:
        """Return once YARN runs the application."""
        self._wait_for(str(external_id), ("RUNNING",))

    def get_job_result(self, external_id: Any, context: Any) -> Any:
        """The application's id, for people and for XCom."""
        return external_id

    def on_kill(self) -> None:
        """End spark-submit while there is no application yet; afterwards nothing is killed."""
        hook = self._hook
        # The hook tells the id in no other way.
        if hook is not None and hook._yarn_application_id is None:  # noqa: SLF001
            hook.on_kill()

    @property
    def _reached(self) -> Target:
        if self._target is None:
            raise AssertionError("submit_job is called by execute only")
        return self._target

    @contextmanager
    def _reach(self) -> Iterator[Target]:
        from cdc.ops import OpsStore
        from cdc.services.reach import yarn_of

        pipeline, _ = find_pipeline(self.pipeline)
        connections = CdcHook().connections(connection_ids(pipeline))
        with OpsStore(connections.get(pipeline.ops.connection)) as ops:
            # The first run of all may come before the first `cdc apply`.
            ops.ensure_schema()
            yarn = yarn_of(connections)
            yield Target(pipeline, pipeline.stream(self.stream), ops, yarn)

    def _give_up_when_overtaken(self, target: Target, context: Any) -> None:
        """Skip a retry of what somebody has taken back since the run began."""
        asked_at = context["dag_run"].start_date
        if context["ti"].try_number < 2 or asked_at is None:
            return
        if (launch := target.ops.launch(*target.key)) is None:
            return
        starts = self.action not in _ENDS
        if why := overtaken(launch.desired, launch.desired_at, starts=starts, asked_at=asked_at):
            raise AirflowSkipException(f"{target.stream.app_name} is left as it is: {why}")

    def _require_wanted(self, target: Target, context: Any) -> Desired:
        """Skip a run of the schedule that nobody wants: a stream that was stopped, or is not applied yet.

        Returns:
            What is wanted of the stream.
        """
        by_hand = context_asked_by_hand(context)
        applied = target.ops.applied_tables(target.pipeline.name)
        missing = [table.source for table in target.stream.tables if table.name not in applied]
        if missing:
            said = (
                f"{', '.join(missing)} not applied yet: DAG cdc_connectors does it, and then starts this one"
            )
            raise ConfigurationError(said) if by_hand else AirflowSkipException(said)
        desired = target.ops.desired_state(*target.key)
        if why := refusal(desired, self.action):
            raise AirflowSkipException(f"{target.stream.app_name} is not started: {why}")
        if desired is Desired.STOPPED and (self.only_wanted or not by_hand):
            raise AirflowSkipException("stopped on request: run the stream's DAG by hand to start it again")
        return desired

    def _still_wanted(self, before: Desired) -> Desired:
        """Skip when a person has stopped or paused the stream in the meantime."""
        target = self._reached
        now = target.ops.desired_state(*target.key)
        if why := ended_meanwhile(before, now):
            raise AirflowSkipException(f"{target.stream.app_name} is not started: {why}")
        return now

    def _wait_for(self, application_id: str, states: Sequence[str]) -> None:
        """Wait until YARN reports one of `states`.

        Raises:
            UnavailableError: it does not come to that in time, or the application has ended.
        """
        yarn = self._reached.yarn
        deadline = time.monotonic() + float(self.start_timeout_s)
        said = ""
        while True:
            application = yarn.application(application_id)
            state = application.state if application else "not known to YARN yet"
            if state != said:
                self.log.info("%s is %s", application_id, state)
                said = state
            if application is not None and state in states:
                return
            if application is not None and not application.live:
                raise UnavailableError(
                    f"{application_id} has ended ({state}, {application.final_status}): "
                    f"{application.diagnostics or 'no diagnostics'}"
                )
            if time.monotonic() > deadline:
                free = yarn.metrics()
                raise UnavailableError(
                    f"{application_id} is {state} after {float(self.start_timeout_s):.0f} s; YARN has "
                    f"{free.available_mb} of {free.total_mb} MB free on {free.active_nodes} node(s): "
                    "it waits there until it fits; stop another stream, or give YARN more memory"
                )
            time.sleep(1)
