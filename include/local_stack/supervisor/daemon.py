"""The daemon: one keeper for each component, from `up` until SIGTERM."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TextIO

from cdc.errors import ConflictError
from local_stack.component import Component, StackContext
from local_stack.supervisor.board import Board
from local_stack.supervisor.gate import StartGate
from local_stack.supervisor.hold import release_all
from local_stack.supervisor.keeper import Keeper, Surroundings
from local_stack.supervisor.policy import RestartPolicy
from local_stack.supervisor.process import find_birth
from local_stack.supervisor.record import ComponentRecord, Phase, SupervisorRecord, write_record

log = logging.getLogger("supervisor")

BEFORE_STOP_LIMIT_S = 120.0

BeforeStop = Callable[[StackContext], None]


def hold_lock(home: Path) -> TextIO:
    """Take the lock that one supervisor of a stack holds as long as it lives.

    Raises:
        ConflictError: when another one holds it.
    """
    path = home / "state" / "supervisor.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("w", encoding="ascii")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise ConflictError(f"a supervisor already runs for {home}: `make status` shows it") from None
    return handle


class Supervisor:
    """Runs the components of one stack."""

    def __init__(
        self,
        ctx: StackContext,
        components: Sequence[Component],
        before_stop: Sequence[BeforeStop] = (),
        policy: RestartPolicy | None = None,
    ) -> None:
        """Prepare keepers for `components`, which are in the order in which they should start."""
        cores = os.cpu_count() or 1
        self._ctx = ctx
        self._before_stop = tuple(before_stop)
        self._asked = threading.Event()
        self._stop = threading.Event()
        self._board = Board(_first_record(ctx, components), lambda record: write_record(ctx.home, record))
        # one more than heavy ones, so that the mail catcher does not wait for Kafka
        gate = StartGate(slots=cores + 1, heavy_slots=cores)
        around = Surroundings(ctx, self._board, gate, policy or RestartPolicy(), self._stop)
        self._keepers = [
            Keeper(rank, component, stop_before(component, components[rank + 1 :]), around)
            for rank, component in enumerate(components)
        ]

    def request_stop(self, _signum: int = 0, _frame: FrameType | None = None) -> None:
        """Ask `run` to stop everything; a signal handler too."""
        self._asked.set()

    def run(self) -> None:
        """Start everything and keep it running until asked to stop."""
        release_all(self._ctx.home)
        log.info("supervisor %d starts %d components for %s", os.getpid(), len(self._keepers), self._ctx.home)
        for keeper in self._keepers:
            keeper.start()
        while not self._asked.wait(1.0):
            continue
        if self._before_stop:
            self._board.set_phase(Phase.STOPPING_STREAMS)
            self._call_before_stop()
        self._board.set_phase(Phase.STOPPING)
        self._stop.set()
        for keeper in self._keepers:
            keeper.join()
        self._board.set_phase(Phase.STOPPED)
        log.info("supervisor %d stopped everything", os.getpid())

    def _call_before_stop(self) -> None:
        worker = threading.Thread(target=self._call_hooks, daemon=True)
        worker.start()
        worker.join(BEFORE_STOP_LIMIT_S)
        if worker.is_alive():
            log.warning("streams not stopped within %.0f s; the components stop now", BEFORE_STOP_LIMIT_S)

    def _call_hooks(self) -> None:
        for hook in self._before_stop:
            try:
                hook(self._ctx)
            except Exception:  # a stack that is half dead must still stop
                log.exception("%s failed before the stop", getattr(hook, "__name__", hook))


def _first_record(ctx: StackContext, components: Sequence[Component]) -> SupervisorRecord:
    records = tuple(
        ComponentRecord(
            name=component.name,
            title=component.title,
            port=ctx.ports[component.ports[0].name] if component.ports else 0,
        )
        for component in components
    )
    return SupervisorRecord(pid=os.getpid(), birth=find_birth(os.getpid()), components=records)


def stop_before(component: Component, later: Sequence[Component]) -> list[str]:
    """Names of what is stopped before it: whatever starts later, but not its equals.

    Components that require the same ones, such as Airflow's scheduler and triggerer, stop at the same time.
    """
    return [other.name for other in later if set(other.requires) != set(component.requires)]


def ignore_terminal_signals(supervisor: Supervisor) -> None:
    """Stop on SIGTERM only: Ctrl+C in the shell that typed `make up` must not reach the stack."""
    signal.signal(signal.SIGTERM, supervisor.request_stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
