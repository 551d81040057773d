"""`make cdc-run`: the stack, the streams, a change generator, and a screen that shows rows arrive."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.live import Live

from cdc.errors import CdcError, UnavailableError
from local_stack import streams
from local_stack.generator import Totals, run_endless
from local_stack.job.dashboard import View, addresses_from, clock, line, render
from local_stack.job.launch import now
from local_stack.job.sample import Sample
from local_stack.job.session import JobSession
from local_stack.lifecycle import make_console, say, start_stack, stop_stack
from local_stack.stack import LocalStack

FIRST_ROWS_LIMIT_S = 900.0
SCREEN_S = 2.0
LINE_S = 10.0


class GeneratorThread(threading.Thread):
    """The generator beside the screen; its totals can be read at any time."""

    def __init__(self, dsn: str, rate: float, seed: int) -> None:
        """Nothing happens before `start`."""
        super().__init__(name="generator", daemon=True)
        self._dsn, self._rate, self._seed = dsn, rate, seed
        self._stop_asked = threading.Event()
        self.totals = Totals()
        self.problem: str | None = None

    def run(self) -> None:
        """Make changes until told to stop, or until the source stays away."""
        try:
            if self._rate > 0:
                self.totals = run_endless(self._dsn, self._rate, self._seed, self._stop_asked, self._note)
        except CdcError as error:
            self.problem = str(error)

    def finish(self) -> Totals:
        """Let the running transaction end, and return what was committed in all."""
        self._stop_asked.set()
        self.join()
        return self.totals

    def _note(self, totals: Totals) -> None:
        self.totals = totals


def run_main_job(rate: float, seed: int) -> int:
    """Run until Ctrl+C (or SIGTERM), then stop everything in order.

    Returns:
        0 after a stop in order.

    Raises:
        CdcError: a step failed; the stack is stopped all the same.
    """
    console, begun, since = make_console(), time.monotonic(), now()
    stack = LocalStack.from_environment()
    try:
        with interruptible() as interrupted:
            ctx = start_stack(stack, console)
            with JobSession(ctx) as session:
                session.launch(lambda text: say(console, text), since)
                _wait_for_first_rows(session, interrupted, console)
                say(console, f"first rows in every sink {clock(time.monotonic() - begun)} after the command")
                generator = GeneratorThread(session.source_dsn, rate, seed)
                generator.start()
                try:
                    _watch(session, generator, rate, begun, interrupted, console)
                finally:
                    totals = generator.finish()
                    say(console, f"{totals.changes:,} changes were made; now everything stops in order")
    except KeyboardInterrupt:
        say(console, "interrupted; now everything stops in order")
    finally:
        stop_stack(stack, console)
    say(console, "everything has stopped; `make cdc-run` goes on from here, nothing lost, nothing twice")
    return 0


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Turn Ctrl+C and SIGTERM into KeyboardInterrupt once, and into a set event for loops that look."""
    event = threading.Event()

    def answer(_signum: int, _frame: FrameType | None) -> None:
        if not event.is_set():
            event.set()
            raise KeyboardInterrupt

    before = {number: signal.signal(number, answer) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_for_first_rows(session: JobSession, interrupted: threading.Event, console: Console) -> None:
    deadline, told = time.monotonic() + FIRST_ROWS_LIMIT_S, 0.0
    while not (sample := session.sample()).has_rows_everywhere:
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"no rows in every sink within {FIRST_ROWS_LIMIT_S:.0f} s: {_blame(sample)}; "
                "`cdc status` tells more"
            )
        if time.monotonic() - told > LINE_S:
            told = time.monotonic()
            say(console, f"waiting for the first rows: {_blame(sample)}")
        interrupted.wait(1.0)


def _blame(sample: Sample) -> str:
    empty = [
        f"{table.name} has none in {name}"
        for table in sample.tables
        for name, sink in table.sinks.items()
        if table.rows and not sink.rows
    ]
    return "; ".join((*sample.problems, *empty))


def _watch(
    session: JobSession,
    generator: GeneratorThread,
    rate: float,
    begun: float,
    interrupted: threading.Event,
    console: Console,
) -> None:
    names = session.sink_names

    def view() -> View:
        addresses = addresses_from(session.env, streams.spark_uis(session.ctx))
        notes = [generator.problem] if generator.problem else []
        elapsed = time.monotonic() - begun
        return View(elapsed, rate, generator.totals, session.sample(), addresses, notes)

    if not console.is_terminal:
        for address in view().addresses:
            say(console, f"{address.title}: {address.url} {address.note}".rstrip())
        _repeat(lambda: say(console, line(view(), names)), LINE_S, interrupted)
        return
    with Live(render(view(), names), console=console, auto_refresh=False, screen=False) as live:
        _repeat(lambda: live.update(render(view(), names), refresh=True), SCREEN_S, interrupted)


def _repeat(action: Callable[[], object], pause_s: float, interrupted: threading.Event) -> None:
    while not interrupted.is_set():
        action()
        interrupted.wait(pause_s)
