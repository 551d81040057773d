"""One component's life, in a thread of its own: wait, start, watch, start again, stop."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from local_stack.component import Command, Component, StackContext
from local_stack.supervisor.board import Board
from local_stack.supervisor.gate import StartGate
from local_stack.supervisor.hold import held_s
from local_stack.supervisor.policy import Deaths, RestartPolicy, State
from local_stack.supervisor.process import (
    end_processes,
    find_birth,
    group_members,
    last_line,
    spawn,
    stop_child,
)

log = logging.getLogger("supervisor")

PROBE_PAUSE_S = 0.3
WATCH_PAUSE_S = 0.25


@dataclass(frozen=True)
class Surroundings:
    """What all keepers of a stack share."""

    ctx: StackContext
    board: Board
    gate: StartGate
    policy: RestartPolicy
    stop: threading.Event


class StartError(Exception):
    """The component did not become ready; the message says why."""


class Keeper(threading.Thread):
    """Keeps one component running until the stack stops.

    The thread starts the process itself and lives longer than it, which the parent-death signal needs.
    """

    def __init__(self, rank: int, component: Component, later: Iterable[str], around: Surroundings) -> None:
        """Keep `component`, the `rank`-th to start; `later` ones are stopped before it."""
        super().__init__(name=component.name, daemon=True)
        self._rank = rank
        self._component = component
        self._later = tuple(later)
        self._around = around
        self._child: subprocess.Popen[bytes] | None = None
        self._command: Command | None = None
        self._starts = 0

    def run(self) -> None:
        """Live until the stop event, then stop the component after those that start later."""
        deaths = Deaths()
        while not self._around.stop.is_set():
            started = self._wait_and_start()
            if started is None:
                break
            healthy_s, reason = self._watch() if started == "" else (0.0, started)
            if self._around.stop.is_set():
                break
            self._end_rest()
            deaths = deaths.after(healthy_s, self._around.policy)
            self._pause(deaths, reason)
        self._stop()

    def _wait_and_start(self) -> str | None:
        """Wait for what it requires and for a slot, then start; "" when ready, a reason, None on stop."""
        requires, stop = self._component.requires, self._around.stop
        self._say(State.WAITING, "for " + ", ".join(requires) if requires else "")
        if not (self._wait_while_held() and self._around.board.wait_for(requires, State.RUNNING, stop)):
            return None
        with self._around.gate.slot(self._rank, heavy=self._component.heavy, stop=stop) as granted:
            if not granted:
                return None
            try:
                self._start()
            except StartError as error:
                return str(error)
            except Exception as error:  # whatever a component raises is a reason to try again, not to die
                log.exception("%s: could not be started", self.name)
                return f"{type(error).__name__}: {error}"
        return ""

    def _wait_while_held(self) -> bool:
        """Wait until nobody wants it to stay down; False on stop."""
        told = False
        while held_s(self._around.ctx.home, self.name) > 0:
            if not told:
                self._say(State.BACKOFF, "held down on request")
                told = True
            if self._around.stop.wait(WATCH_PAUSE_S):
                return False
        return True

    def _start(self) -> None:
        component, ctx = self._component, self._around.ctx
        begun = time.monotonic()
        self._say(State.STARTING)
        component.prepare(ctx)
        self._command = component.command(ctx)
        self._child = child = spawn(self._command, ctx, ctx.log_file(self.name))
        self._starts += 1
        self._around.board.update(
            self.name,
            pid=child.pid,
            birth=find_birth(child.pid),
            restarts=self._starts - 1,
            stop_signal=int(self._command.stop_signal),
        )
        self._wait_until_ready(child, time.monotonic() + component.ready_timeout_s)
        component.after_ready(ctx)
        log.info("%s: ready after %.1f s (pid %d)", self.name, time.monotonic() - begun, child.pid)
        self._say(State.RUNNING)

    def _wait_until_ready(self, child: subprocess.Popen[bytes], deadline: float) -> None:
        while (reason := self._component.probe(self._around.ctx)) is not None:
            if child.poll() is not None:
                raise StartError(self._describe_death(child, "while it started"))
            if time.monotonic() > deadline:
                raise StartError(f"not ready after {self._component.ready_timeout_s:.0f} s: {reason}")
            self._around.board.update(self.name, reason=reason)
            if self._around.stop.wait(PROBE_PAUSE_S):
                raise StartError("the stack is stopping")
        if child.poll() is not None:
            # something else answers on its port
            raise StartError(self._describe_death(child, "while it started"))

    def _watch(self) -> tuple[float, str]:
        """Wait for its death; how long it was healthy, and how it died."""
        child, ready_at = self._child, time.monotonic()
        assert child is not None  # noqa: S101 - _start has just set it
        while child.poll() is None and not self._around.stop.wait(WATCH_PAUSE_S):
            continue
        healthy_s = time.monotonic() - ready_at
        return healthy_s, self._describe_death(child, f"after {healthy_s:.0f} s")

    def _describe_death(self, child: subprocess.Popen[bytes], when: str) -> str:
        code = child.poll()
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exited with {code}"
        tail = last_line(self._around.ctx.log_file(self.name))
        return f"{how} {when}" + (f"; its last line: {tail[:300]}" if tail else "")

    def _end_rest(self) -> None:
        """End the process if it is there (not ready in time), and what a dead one left in its group."""
        if self._child and self._command:
            if self._child.poll() is None:
                stop_child(self._child, self._command, self._around.policy.end_grace_s)
            else:
                end_processes(group_members(self._child.pid), 15, self._around.policy.end_grace_s)
            self._around.board.update(self.name, pid=None, birth="")

    def _pause(self, deaths: Deaths, reason: str) -> None:
        policy = self._around.policy
        delay, state = deaths.delay_s(policy), deaths.state(policy)
        log.warning("%s: %s; %s, start %d in %.0f s", self.name, reason, state, self._starts + 1, delay)
        self._say(state, reason)
        self._around.stop.wait(delay)

    def _stop(self) -> None:
        board = self._around.board
        board.wait_for(self._later, State.STOPPED)
        if self._child and self._command and self._child.poll() is None:
            self._say(State.STOPPING)
            begun = time.monotonic()
            stop_child(self._child, self._command, self._around.policy.end_grace_s)
            log.info("%s: stopped after %.1f s", self.name, time.monotonic() - begun)
        else:
            self._end_rest()
        try:
            self._component.after_stop(self._around.ctx)
        except Exception:  # the others must still stop
            log.exception("%s: something failed after its stop", self.name)
        board.update(self.name, state=State.STOPPED, pid=None, birth="", reason="")

    def _say(self, state: State, reason: str = "") -> None:
        self._around.board.update(self.name, state=state, reason=reason)
