"""Lets Airflow register the connectors and launch the streams, and follows its runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cdc.errors import UnavailableError
from cdc.spec import Pipeline
from local_stack.job.airflow_api import AirflowApi, DagFailedError, DagRun

CONNECTORS_DAG = "cdc_connectors"
POLL_S = 1.0
PARSE_LIMIT_S = 300.0
RUN_LIMIT_S = 1200.0
ATTEMPTS = 2
ASSET_GRACE_S = 12.0
SCHEDULE_GRACE_S = 15.0

Say = Callable[[str], None]


def stream_dag_ids(pipelines: Sequence[Pipeline]) -> tuple[str, ...]:
    """The DAG of each stream."""
    names = [stream.name for pipeline in pipelines for stream in pipeline.streams]
    return tuple(
        "cdc_stream_" + (stream.name if names.count(stream.name) == 1 else f"{pipeline.name}_{stream.name}")
        for pipeline in pipelines
        for stream in pipeline.streams
    )


@dataclass
class PipelineLauncher:
    """Brings the pipelines up through Airflow, as an operator would from its UI.

    How it works: it waits until Airflow has parsed the DAGs, sees one run of `cdc_connectors` through (the
    one that the schedule has begun, else one by hand), then one run of each stream's DAG (the one that the
    connectors' asset has begun, else one by hand).

    Attributes:
        api: Airflow.
        say: told each step in one line.
        clock, sleep: as in `time`.
    """

    api: AirflowApi
    say: Say
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _states: dict[str, str] = field(default_factory=dict)

    def launch(self, pipelines: Sequence[Pipeline], since: datetime) -> None:
        """Return when every stream has made progress.

        Args:
            pipelines: whose connectors and streams are wanted.
            since: runs that began before are not ours.

        Raises:
            DagFailedError: a run failed twice.
            UnavailableError: Airflow did not get there in time.
        """
        streams = stream_dag_ids(pipelines)
        self._wait_until_parsed((CONNECTORS_DAG, *streams))
        # A DAG that never ran is about to be run by its schedule.
        first = not self.api.runs(CONNECTORS_DAG)
        self._see_through((CONNECTORS_DAG,), since, grace_s=SCHEDULE_GRACE_S if first else 0.0)
        self._see_through(streams, since, grace_s=ASSET_GRACE_S)

    def _wait_until_parsed(self, dag_ids: Sequence[str]) -> None:
        deadline = self.clock() + PARSE_LIMIT_S
        missing = list(dag_ids)
        while missing := [dag_id for dag_id in missing if not self.api.is_parsed(dag_id)]:
            if self.clock() > deadline:
                raise UnavailableError(
                    f"Airflow has not parsed {', '.join(missing)} within {PARSE_LIMIT_S:.0f} s: see "
                    "`make logs SERVICE=airflow-dag-processor`"
                )
            self.sleep(POLL_S)

    def _see_through(self, dag_ids: Sequence[str], since: datetime, grace_s: float) -> None:
        """Follow a run of each DAG to its success; one that fails is tried once more by hand."""
        begun, deadline = self.clock(), self.clock() + RUN_LIMIT_S
        runs: dict[str, DagRun] = {}
        attempts = dict.fromkeys(dag_ids, 1)
        open_ids = set(dag_ids)
        while open_ids:
            for dag_id in sorted(open_ids):
                run = self._current(dag_id, runs.get(dag_id), since)
                if run is None and self.clock() - begun >= grace_s:
                    run = self.api.trigger(dag_id)
                if run is None:
                    continue
                runs[dag_id] = run
                self._tell(run)
                if run.state == "success" and self._skipped(run):
                    # The schedule's run found the stream stopped, or not applied yet; it counts for nothing.
                    runs[dag_id] = self.api.trigger(dag_id)
                elif run.state == "success":
                    open_ids.discard(dag_id)
                elif run.state == "failed":
                    runs[dag_id] = self._again(run, attempts)
            if self.clock() > deadline:
                waiting = ", ".join(sorted(open_ids))
                raise UnavailableError(
                    f"Airflow has not finished {waiting} within {RUN_LIMIT_S:.0f} s: see its UI"
                )
            if open_ids:
                self.sleep(POLL_S)

    def _current(self, dag_id: str, known: DagRun | None, since: datetime) -> DagRun | None:
        if known is not None:
            return self.api.run(dag_id, known.run_id)
        ours = [run for run in self.api.runs(dag_id) if run.run_after >= since or not run.finished]
        return next((run for run in ours if not run.finished), ours[0] if ours else None)

    def _skipped(self, run: DagRun) -> bool:
        """Whether the run did nothing, and one by hand would."""
        if any(task["state"] != "skipped" for task in self.api.tasks(run)):
            return False
        if run.run_type == "manual":
            # Nothing but a resume starts a stream that a person has paused.
            self.say(f"{run.dag_id} leaves its stream as it is: it is paused")
            return False
        return True

    def _again(self, run: DagRun, attempts: dict[str, int]) -> DagRun:
        reason = self.api.explain(run)
        if attempts[run.dag_id] >= ATTEMPTS:
            raise DagFailedError(reason)
        attempts[run.dag_id] += 1
        self.say(f"{reason}\n{run.dag_id} is started once more")
        return self.api.trigger(run.dag_id)

    def _tell(self, run: DagRun) -> None:
        tasks = [
            f"{task['task_id'].rpartition('.')[2]} {task['state']}"
            for task in self.api.tasks(run)
            if task["state"] not in (None, "success")
        ]
        text = f"{run.dag_id}: {run.state}" + (f" ({', '.join(tasks)})" if tasks and not run.finished else "")
        if self._states.get(run.dag_id) != text:
            self._states[run.dag_id] = text
            self.say(text)


def now() -> datetime:
    """The present, as Airflow's times are."""
    return datetime.now(UTC)
