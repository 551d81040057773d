"""A driver that dies, and one that stands still."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

from cdc.errors import UnavailableError
from local_stack.drill.fault import Fault
from local_stack.drill.limits import LIMITS
from local_stack.drill.stage import Stage
from local_stack.drill.watch import IncidentWatch
from local_stack.spark_processes import SparkProcess
from local_stack.supervisor.process import find_birth, is_alive

# A driver that is younger has no progress to lose, and YARN starts no more than twenty in ten minutes.
LIVES_S = 5.0
POLL_S = 1.0
TOLD = "has made no progress for"


def _silent(stage: Stage) -> IncidentWatch:
    """Every query of the stream has made no progress for too long."""
    query = stage.stream.query_name(stage.pipeline.sinks[0].name)
    return IncidentWatch(f"^query {query}$", TOLD, LIMITS["max_progress_age_s"])


def _driver(stage: Stage) -> SparkProcess:
    found = stage.driver()
    if found is None:
        raise UnavailableError(f"no driver of {stage.stream.app_name} runs: see `make status`")
    return found


class KilledDriver(Fault):
    """Killed with -9, and so is each driver that YARN starts instead, until somebody is told."""

    name = "killed-driver"
    planted = "a driver killed with -9, and each that YARN starts instead, until it is noticed"
    mended_by = "itself: YARN starts the next driver"

    def __init__(self) -> None:
        """Nothing is killed yet."""
        self._enough = threading.Event()
        self._reaper: threading.Thread | None = None

    def plant(self, stage: Stage) -> None:
        """Kill the first one here, the others beside the drill."""
        os.kill(_driver(stage).pid, signal.SIGKILL)
        self._reaper = threading.Thread(target=self._reap, args=(stage,), daemon=True)
        self._reaper.start()

    def watch(self, stage: Stage) -> IncidentWatch:
        """Its queries fall silent."""
        return _silent(stage)

    def mend(self, stage: Stage) -> None:
        """Let the next driver live."""
        self._end()

    def undo(self, stage: Stage) -> None:
        """Kill no more."""
        self._end()

    def _end(self) -> None:
        self._enough.set()
        if self._reaper is not None:
            self._reaper.join()

    def _reap(self, stage: Stage) -> None:
        while not self._enough.wait(POLL_S):
            found = stage.driver()
            if found is not None and time.time() - found.started_at > LIVES_S:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(found.pid, signal.SIGKILL)


class StalledQuery(Fault):
    """The driver's process is stopped: it lives, holds its lease, and does nothing."""

    name = "stalled-query"
    planted = "a driver stopped by SIGSTOP: it lives, and its queries stand still"
    mended_by = "DAG cdc_stream_customers, action restart"

    def __init__(self) -> None:
        """Nothing is stopped yet."""
        self._pid, self._birth = 0, ""

    def plant(self, stage: Stage) -> None:
        """Stop the JVM."""
        self._pid = _driver(stage).pid
        self._birth = find_birth(self._pid)
        os.kill(self._pid, signal.SIGSTOP)

    def watch(self, stage: Stage) -> IncidentWatch:
        """Its queries fall silent."""
        return _silent(stage)

    def mend(self, stage: Stage) -> None:
        """What the runbook says of a driver that lives and does nothing."""
        stage.run_dag(stage.stream_dag, {"action": "restart"})

    def undo(self, stage: Stage) -> None:
        """Let it go on, if it is still there."""
        if is_alive(self._pid, self._birth):
            os.kill(self._pid, signal.SIGCONT)
