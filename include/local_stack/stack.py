"""The stack as a whole: start it, follow it, stop it. What `make up`, `make cdc-run` and the tests call."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cdc.errors import ConflictError, UnavailableError
from local_stack.component import StackContext
from local_stack.context import Places, create_context, environment, open_context
from local_stack.contract import IMPORT_ROOTS, write_contract
from local_stack.ports import PortClaims
from local_stack.preflight import check_prerequisites
from local_stack.spark_processes import container_processes
from local_stack.supervisor.__main__ import load_components
from local_stack.supervisor.policy import State
from local_stack.supervisor.process import end_leftovers, end_processes, find_birth, is_alive, last_line
from local_stack.supervisor.record import Phase, SupervisorRecord, read_record, record_file

POLL_S = 0.2
DAEMON_START_S = 60.0
STOP_LIMIT_S = 420.0
KEPT_BY_CLEAN = frozenset({"jars", "ivy"})

Follow = Callable[[SupervisorRecord], None]
Say = Callable[[str], None]


def _ignore(_: object) -> None:
    """Follow nothing."""


@dataclass(frozen=True)
class LocalStack:
    """One stack in one home.

    Attributes:
        components: `<module>:<function>` that gives the components, imported here and in the daemon.
        prerequisites: called before a start; raises when the machine lacks something.
    """

    places: Places
    components: str = "local_stack.components:all_components"
    env: Mapping[str, str] = field(default_factory=environment)
    prerequisites: Callable[[Places, Mapping[str, str]], None] = check_prerequisites

    @classmethod
    def from_environment(cls) -> LocalStack:
        """The stack of `CDC_HOME`."""
        return cls(Places.from_environment(environment()))

    def record(self) -> SupervisorRecord | None:
        """What the supervisor last wrote, None when no supervisor runs."""
        record = self._last_record()
        return record if record and record.phase is not Phase.STOPPED else None

    def _last_record(self) -> SupervisorRecord | None:
        record = read_record(self.places.home)
        return record if record and is_alive(record.pid, record.birth) else None

    def context(self) -> StackContext:
        """Paths, ports and passwords of a stack that was started before."""
        return open_context(self.places, self.env)

    def start(self, say: Say = _ignore) -> StackContext:
        """Start the supervisor unless it runs; returns at once, before the components are ready.

        Raises:
            ConfigurationError: when a prerequisite is missing.
            UnavailableError: when the supervisor does not come up.
        """
        with self._alone():
            running = self.record()
            if running and running.phase is Phase.RUNNING:
                say("the stack runs already")
                return self.context()
            self._wait_for_end(self._last_record())
            self._end_leftovers(say)
            self.prerequisites(self.places, self.env)
            components, _ = load_components(self.components)
            with PortClaims() as claims:
                ctx = create_context(self.places, components, self.env, claims.claim)
                write_contract(ctx, components, self.env.get("CDC_PIPELINES_DIR"))
                self._spawn_supervisor(ctx)
            return ctx

    def wait_until_ready(self, follow: Follow = _ignore) -> None:
        """Wait until every component runs.

        Raises:
            UnavailableError: when one died too often, or the supervisor is gone.
        """
        while True:
            record = self.record()
            if record is None or record.phase is not Phase.RUNNING:
                raise UnavailableError(
                    f"the supervisor is gone or stopping; it said: {last_line(self.supervisor_log)}. "
                    "`make up` starts it"
                )
            follow(record)
            failed = [c for c in record.components if c.state is State.FAILED]
            if failed:
                reasons = "\n".join(f"{c.name} does not start: {c.reason}" for c in failed)
                raise UnavailableError(
                    f"{reasons}\n`make logs SERVICE={failed[0].name}` shows why; it is tried again "
                    "every 30 s, and `make down` stops the stack"
                )
            if all(c.state is State.RUNNING for c in record.components):
                return
            time.sleep(POLL_S)

    def stop(self, follow: Follow = _ignore, say: Say = _ignore) -> bool:
        """Stop everything in order; False when nothing ran.

        Raises:
            UnavailableError: when the supervisor does not end.
        """
        with self._alone():
            running = self.record()
            if running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(running.pid, signal.SIGTERM)
                self._wait_for_end(running, follow)
            leftovers = self._end_leftovers(say)
            return bool(running or leftovers)

    def clean(self) -> list[Path]:
        """Delete what the stack wrote, except the jars; the stack must be down.

        Raises:
            ConflictError: when it runs.
        """
        if self.record():
            raise ConflictError(f"the stack in {self.places.home} runs: `make down` first")
        victims = [p for p in sorted(self.places.home.glob("*")) if p.name not in KEPT_BY_CLEAN]
        for victim in victims:
            if victim.is_dir() and not victim.is_symlink():
                shutil.rmtree(victim)
            else:
                victim.unlink()
        return victims

    @property
    def supervisor_log(self) -> Path:
        """Where the supervisor says what it does."""
        return self.places.home / "logs" / "supervisor.log"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One start or stop at a time: a second one waits, and then finds what the first one did."""
        path = self.places.home / "state" / "start-stop.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="ascii") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _wait_for_end(self, running: SupervisorRecord | None, follow: Follow = _ignore) -> None:
        deadline = time.monotonic() + STOP_LIMIT_S
        while running and is_alive(running.pid, running.birth):
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"the supervisor (pid {running.pid}) has not stopped within {STOP_LIMIT_S:.0f} s; "
                    f"{self.supervisor_log} says why, `kill -9 {running.pid}` and `make down` end it"
                )
            time.sleep(POLL_S)
            follow(read_record(self.places.home) or running)

    def _end_leftovers(self, say: Say) -> bool:
        record = read_record(self.places.home)
        ended = end_leftovers(record.components, self.places.home) if record else []
        if ended:
            say(f"ended what a dead supervisor left behind: {', '.join(ended)}")
        # NodeManager recovery leaves containers running when it stops, and without it nobody owns them
        containers = container_processes(self.places.home)
        if containers:
            end_processes(containers, signal.SIGTERM, 15)
            say(f"ended {len(containers)} processes in YARN containers that had no NodeManager any more")
        return bool(ended or containers)

    def _spawn_supervisor(self, ctx: StackContext) -> None:
        record_file(self.places.home).unlink(missing_ok=True)
        roots = [str(ctx.repo / root) for root in IMPORT_ROOTS]
        inherited = self.env.get("PYTHONPATH")
        env = {
            **self.env,
            "CDC_HOME": str(ctx.home),
            "CDC_JARS": str(ctx.jars),
            "PYTHONPATH": os.pathsep.join([*roots, inherited] if inherited else roots),
        }
        self.supervisor_log.parent.mkdir(parents=True, exist_ok=True)
        # not `subprocess`: the supervisor outlives this process, whose job it is not to wait for it, and it
        # inherits the claims to the stack's ports
        daemon = os.posix_spawn(
            sys.executable,
            (sys.executable, "-m", "local_stack.supervisor", "--components", self.components),
            env,
            file_actions=(
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (
                    os.POSIX_SPAWN_OPEN,
                    1,
                    str(self.supervisor_log),
                    os.O_WRONLY | os.O_CREAT | os.O_APPEND,
                    0o644,
                ),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ),
            setsid=True,
        )
        deadline = time.monotonic() + DAEMON_START_S
        while (record := read_record(self.places.home)) is None or record.pid != daemon:
            if not find_birth(daemon) or time.monotonic() > deadline:
                why = last_line(self.supervisor_log)
                raise UnavailableError(f"the supervisor did not start: {why} (see {self.supervisor_log})")
            time.sleep(0.05)
