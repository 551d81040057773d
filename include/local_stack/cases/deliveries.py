"""The four deliveries: the same changes reach the sinks in four ways, and the end must be the same."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping

from cdc.errors import ConflictError
from local_stack.cases.stage import Stage

POLL_S = 0.1
RACE_LIMIT_S = 60.0


def after(stage: Stage) -> None:
    """Every step comes when the snapshot is done and the stream runs."""
    if not _flowing(stage):
        return
    stage.tell("run the steps")
    stage.run(lambda case: case.steps, last=True)
    stage.carried()
    stage.check("compared")
    stage.check_merged()


def half(stage: Stage) -> None:
    """Half of the steps come before the snapshot, the rest after it.

    A case with sessions, or with a transaction that is open in the middle, goes on as soon as the snapshot
    begins: its transactions race with it, and PostgreSQL makes no replication slot before those that are open
    have ended.
    """

    def race(applying: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + RACE_LIMIT_S
        while applying.poll() is None and time.monotonic() < deadline:
            if stage.source.slot_exists() or stage.source.somebody_waits():
                break
            time.sleep(POLL_S)
        stage.run(lambda case: case.second_half, lambda case: case.file in racing, last=True)

    stage.run(lambda case: case.first_half)
    racing = {case.file for case in stage.active if case.has_sessions or stage.in_transaction(case)}
    if not stage.capture(race):
        return
    stage.streaming()
    stage.run(lambda case: case.second_half, lambda case: case.file not in racing, last=True)
    stage.captured()
    stage.carry()
    stage.carry_what_was_asked()
    stage.check("compared")
    stage.check_merged()


def one_batch(stage: Stage) -> None:
    """Everything is in Kafka before the stream starts, which reads it in one batch.

    Raises:
        ConflictError: it was more than one.
    """
    if not stage.capture():
        return
    stage.streaming()
    stage.tell("run the steps")
    stage.run(lambda case: case.steps, last=True)
    stage.captured()
    stage.carry()
    batches = stage.checks.batches()
    if set(batches.values()) != {1}:
        raise ConflictError(f"expected one batch with events in each query, the ops store has: {batches}")
    stage.carry_what_was_asked()
    stage.check("compared")
    stage.check_merged()


def replayed(stage: Stage) -> None:
    """The driver is killed in between, and afterwards the topics are read again from their beginning."""
    if not _flowing(stage):
        return
    stage.run(lambda case: case.first_half)
    stage.tell("kill the driver, run the other half of the steps")
    stage.commands.kill_driver()
    stage.run(lambda case: case.second_half, last=True)
    stage.carried()
    stage.check("after the kill")
    stage.tell("stop the stream, read the topics again from the beginning")
    stage.read_again()
    stage.check("read again")
    stage.check_merged()


def _flowing(stage: Stage) -> bool:
    """Capture, start the stream, wait for the snapshot in the sinks; False when no case is left."""
    if not stage.capture():
        return False
    stage.tell("start the stream on YARN, wait for the snapshot in the sinks")
    stage.commands.cdc("stream", "start")
    stage.streaming()
    stage.carried()
    return True


DELIVERIES: Mapping[str, Callable[[Stage], None]] = {
    "after": after,
    "half": half,
    "one-batch": one_batch,
    "replayed": replayed,
}
