"""Our side: the stream's driver, run on this machine as `python spark_jobs/run_cdc_job.py` runs it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from cdc.errors import UnavailableError
from local_stack.bench.place import STREAM, Place

STOP_S = 90.0
START_S = 180.0
POLL_S = 0.1
ASK_EVERY_S = 3.0


class StreamDriver:
    """The driver's process while the block runs; it is the stream, with lease, ledger and progress."""

    def __init__(self, place: Place, sinks: str, *, clean: bool = True) -> None:
        """Nothing is started yet.

        Args:
            place: the pipeline.
            sinks: names with commas between them.
            clean: begin without checkpoints.
        """
        self._place, self._sinks, self._clean = place, sinks, clean
        self._process: subprocess.Popen[bytes] | None = None
        self.log = place.ctx.log_file(f"driver-{place.name}-{sinks.replace(',', '-')}")

    def __enter__(self) -> Self:
        """Start it; it is ready when it has written something."""
        if self._clean:
            shutil.rmtree(self._place.folder / "checkpoints", ignore_errors=True)
        ctx = self._place.ctx
        argv = [
            *(str(ctx.python), str(ctx.repo / "spark_jobs" / "run_cdc_job.py")),
            *("--job-type", STREAM, "--pipeline", self._place.name, "--env", "dev", "--sinks", self._sinks),
        ]
        base = {"PATH": f"{ctx.java_home / 'bin'}:/usr/bin:/bin", "HOME": str(ctx.home), "LANG": "C.UTF-8"}
        env = {**base, **self._place.environment(), "SPARK_LOCAL_IP": "127.0.0.1"}
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(argv, env=env, cwd=ctx.home, stdout=out, stderr=out)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop between two batches."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pids(self) -> tuple[int, ...]:
        """The root of the driver's processes."""
        return () if self._process is None else (self._process.pid,)

    def problem(self) -> str | None:
        """Why the driver cannot be waited for any longer, if it has ended."""
        if self._process is None or self._process.poll() is None:
            return None
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"the driver ended with {self._process.returncode}: {' | '.join(lines[-3:])}"


def wait_until(
    done: Callable[[], bool],
    problem: Callable[[], str | None],
    limit_s: float,
    what: str,
    poll_s: float = POLL_S,
) -> float:
    """Wait for a condition; returns the monotonic time at which it was first seen to hold.

    Raises:
        UnavailableError: `problem` says why it cannot come, or the time is over.
    """
    begun = asked = time.monotonic()
    while not done():
        # Asking costs who is asked CPU time, which is being measured.
        if time.monotonic() - asked > ASK_EVERY_S:
            asked = time.monotonic()
            said = problem()
            if said is not None:
                raise UnavailableError(said)
        if time.monotonic() - begun > limit_s:
            raise UnavailableError(f"{what} was not seen within {limit_s:.0f} s")
        time.sleep(poll_s)
    return time.monotonic()
