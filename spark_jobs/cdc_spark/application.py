"""The driver of one stream: its queries, leases, progress and requests to stop, in one loop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import structlog

from cdc.errors import CdcError, TerminalError
from cdc.model.desired import Desired
from cdc.ops import OpsStore
from cdc_spark.leases import LeaseKeeper
from cdc_spark.owner import Owner
from cdc_spark.progress import ProgressBuffer
from cdc_spark.query import SinkQuery

log = structlog.get_logger(__name__)
TICK_S = 0.5
ASK_EVERY_S = 1.0
REPORTS_S = 30.0
"""How long the end of a driver waits for Spark's report of the last batch."""


@dataclass(frozen=True)
class DriverOptions:
    """How a driver runs.

    Attributes:
        once: end when everything that was there has been read.
        obeys_ops: a request to stop in the ops store counts (not for a debug run).
        patience_s: how long another driver's lease is waited for.
    """

    pipeline: str
    stream: str
    once: bool
    obeys_ops: bool
    patience_s: float


class Driver:
    """Runs the queries until they are done, somebody asks to stop, or none of them can go on."""

    def __init__(
        self,
        options: DriverOptions,
        queries: Sequence[SinkQuery],
        leases: LeaseKeeper,
        buffer: ProgressBuffer,
        ops: OpsStore,
        owner: Owner,
    ) -> None:
        self._options = options
        self._queries = queries
        self._leases = leases
        self._buffer = buffer
        self._ops = ops
        self._owner = owner
        self._stop = threading.Event()
        self._asked_at = 0.0
        self._began = time.monotonic()

    def run(self) -> int:
        """Run; returns the process's exit code."""
        before = self._listen_to_signals()
        try:
            code = self._loop()
        finally:
            for query in self._queries:
                query.stop()
            self._await_reports()
            self._leases.close()
            self._buffer.flush()
            for number, handler in before.items():
                signal.signal(number, handler)
        log.info("driver ended", stream=self._options.stream, code=code)
        return code

    def _listen_to_signals(self) -> dict[int, Any]:
        """Make Ctrl+C and SIGTERM a request to stop; returns what was there before."""
        if threading.current_thread() is not threading.main_thread():  # Python hands signals to no other
            return {}
        return {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}

    def _loop(self) -> int:
        while True:
            for query in self._queries:
                query.tick()
            self._buffer.flush()
            code = self._verdict()
            if code is not None:
                return code
            self._stop.wait(TICK_S)

    def _await_reports(self) -> None:
        deadline = time.monotonic() + REPORTS_S
        while any(query.reports_due for query in self._queries) and time.monotonic() < deadline:
            time.sleep(0.1)

    def _verdict(self) -> int | None:
        """The exit code when it is time to end."""
        if self._stop.is_set() or self._stop_wanted():
            log.info("stopping between batches", stream=self._options.stream)
            return 0
        if self._leases.lost is not None:
            return self._leave(self._leases.lost)
        for query in self._queries:
            if query.leave is not None:
                return self._leave(query.leave)
        if self._options.once:
            return self._once_verdict()
        broken = [query.broken for query in self._queries if query.broken is not None]
        if len(broken) == len(self._queries):
            return self._fail(broken)
        return None

    def _once_verdict(self) -> int | None:
        broken = [query.broken for query in self._queries if query.broken is not None]
        if broken and all(query.done or query.broken is not None for query in self._queries):
            return self._fail(broken)
        return 0 if all(query.done for query in self._queries) else self._waited_long()

    def _waited_long(self) -> int | None:
        failed = [query.failure for query in self._queries if not query.done and query.failure is not None]
        if failed and time.monotonic() - self._began > self._options.patience_s:
            return self._fail(failed)
        return None

    def _fail(self, causes: Sequence[BaseException]) -> int:
        text = "; ".join(dict.fromkeys(str(cause) for cause in causes))
        log.error("no query can go on", stream=self._options.stream, cause=text)
        if self._options.obeys_ops:
            try:
                self._ops.record_failure(self._options.pipeline, self._options.stream, text)
            except CdcError as error:
                log.warning("the failure could not be recorded", error=str(error))
        # YARN would only start this driver again, twenty times, to fail in the same way.
        terminal = all(isinstance(cause, TerminalError) for cause in causes)
        return 0 if terminal and self._owner.on_yarn and not self._options.once else 1

    def _leave(self, cause: BaseException) -> int:
        log.error("another driver carries this stream", stream=self._options.stream, cause=str(cause))
        # On YARN a failure would start this driver again beside the other one.
        return 0 if self._owner.on_yarn else 1

    def _stop_wanted(self) -> bool:
        if not self._options.obeys_ops or time.monotonic() - self._asked_at < ASK_EVERY_S:
            return False
        self._asked_at = time.monotonic()
        try:
            return self._ops.desired_state(self._options.pipeline, self._options.stream) != Desired.RUNNING
        except CdcError as error:
            log.warning("the ops store is away, the stream goes on", error=str(error))
            return False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()
