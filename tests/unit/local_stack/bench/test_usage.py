"""What processes take of the machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest

from local_stack.bench.usage import idle_cores


@pytest.fixture
def start() -> Iterator[object]:
    with ExitStack() as stack:

        def run(code: str) -> subprocess.Popen[str]:
            child = stack.enter_context(
                subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
            )
            stack.callback(child.kill)
            assert child.stdout is not None
            child.stdout.readline()
            return child

        yield run


def test_idle_and_busy_processes_are_told_apart_and_a_child_that_ends_takes_nothing_back(start) -> None:
    asleep = start("import time; print('', flush=True); time.sleep(60)")
    busy = start("print('', flush=True)\nwhile True: pass")
    # Its child has used more than it uses from now on, ends while it is looked at, and nobody waits for it.
    burn = (
        "import time; end = time.process_time() + 0.5\nwhile time.process_time() < end: pass\n"
        "print('', flush=True); time.sleep(0.1)"
    )
    ending = start(
        "import signal, subprocess, sys, time; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        f"subprocess.Popen([sys.executable, '-c', {burn!r}]); time.sleep(60)"
    )
    idle, taken, ended = idle_cores([[asleep.pid], [busy.pid], [ending.pid]], 0.5)
    assert 0 <= idle < 0.1 < taken
    assert 0 <= ended < 0.1
    assert psutil.Process(ending.pid).children() == []
