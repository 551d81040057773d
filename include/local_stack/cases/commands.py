"""The platform's own commands, run as a user runs them, with a delivery's pipeline."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cdc.errors import ConfigurationError, UnavailableError
from cdc.spec.tables import Mode
from local_stack.cases.place import STREAM, Place
from local_stack.spark_processes import spark_processes

LIMIT_S = 1200.0
DRIVER_LIMIT_S = 120.0
POLL_S = 0.2


@dataclass(frozen=True)
class Commands:
    """Runs `cdc` and `run_cdc_job.py`; a command that fails raises with its last words."""

    place: Place

    def cdc(self, *arguments: str) -> str:
        """Run `cdc …` to its end and return what it printed.

        Raises:
            ConfigurationError: it failed.
            UnavailableError: it does not end.
        """
        with self.background(*arguments) as running:
            return finish(running, arguments)

    @contextlib.contextmanager
    def background(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """`cdc …` beside what follows; ended with the block."""
        argv = [sys.executable, "-m", "cdc.cli", *arguments]
        with _running(argv, self._env()) as running:
            yield running

    def discover(self, tables: Sequence[str], *, write: bool = True, mode: Mode = "rows") -> dict[str, Any]:
        """`cdc discover --write`: what was found, refused, and known."""
        patterns = [glob.escape(name) for name in tables]
        options = ["--mode", mode, *(["--write"] if write else [])]
        found: dict[str, Any] = json.loads(
            self.cdc("discover", *patterns, *options, "--stream", STREAM, "--json")
        )
        return found

    def compare_schema(self) -> None:
        """What the DAG `cdc_schema` does on its schedule.

        Raises:
            ConfigurationError: it failed.
        """
        self.cdc("schema", "apply")

    def reconcile(self, *which: str) -> list[dict[str, Any]]:
        """What a DAG does on its schedule: the report of each table that it compared.

        Args:
            which: tables, as `cdc_reconciliation` does, or `--changed-partitions`, as `cdc_partition_watch`.

        Raises:
            ConfigurationError: it failed.
        """
        arguments = ("reconcile", *which, "--repair", "--json")
        with self.background(*arguments) as running:
            # It ends with 1 too when it has left something, and says what.
            reports: list[dict[str, Any]] = json.loads(finish(running, arguments, told=True))
        return reports

    def carry_everything(self) -> None:
        """The stream in the foreground, until it has carried what there is.

        Raises:
            ConfigurationError: it failed.
        """
        job = str(self.place.ctx.repo / "spark_jobs" / "run_cdc_job.py")
        arguments = ("--job-type", STREAM, "--pipeline", self.place.name, "--once")
        with _running([sys.executable, job, *arguments], self._env()) as running:
            finish(running, ("run_cdc_job.py", *arguments))

    def kill_driver(self) -> None:
        """Kill the stream's driver with SIGKILL, as soon as one runs.

        Raises:
            UnavailableError: none comes to run.
        """
        wanted, deadline = f"driver:{self.place.stream().app_name}", time.monotonic() + DRIVER_LIMIT_S
        while time.monotonic() < deadline:
            for process in spark_processes(self.place.ctx):
                if process.name == wanted:
                    os.kill(process.pid, signal.SIGKILL)
                    return
            time.sleep(POLL_S)
        raise UnavailableError(f"no {wanted} runs that could be killed")

    def _env(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
        return {**inherited, **self.place.environment()}


def finish(running: subprocess.Popen[str], arguments: Sequence[str], *, told: bool = False) -> str:
    """Wait for a command.

    Args:
        running: the command.
        arguments: what messages call it.
        told: what it has printed counts, whatever it ended with.

    Raises:
        ConfigurationError: it failed; with its last words.
        UnavailableError: it does not end.
    """
    try:
        printed, said = running.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"`{' '.join(arguments)}` does not end within {LIMIT_S:.0f} s") from None
    if running.returncode and not (told and printed.strip()):
        lines = [line for line in said.splitlines() if line.strip()]
        words = " ".join((lines or ["without a word"])[-3:])
        raise ConfigurationError(f"`{arguments[0]}` ended with {running.returncode}: {words[-1500:]}")
    return printed


@contextlib.contextmanager
def _running(argv: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    # A session of its own: Ctrl+C is for the one who runs the cases, who then ends this in order.
    process = subprocess.Popen(
        argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
