"""CPU time and memory of process trees, from the processes' own counters."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

import psutil

SAMPLE_S = 0.5


def tree(pid: int) -> list[psutil.Process]:
    """A process and everything below it; an empty list when it has gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_s(pids: Sequence[int]) -> float:
    """Seconds of CPU that the trees have taken so far, with those of their children that have ended."""
    return sum(cpu_by_program(pids).values())


def cpu_by_program(pids: Sequence[int]) -> dict[str, float]:
    """The same for each program: `java`, `python`, `postgres`."""
    total: defaultdict[str, float] = defaultdict(float)
    for pid in pids:
        for process in tree(pid):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times, name = process.cpu_times(), process.name().rstrip("0123456789.")
                total[name] += times.user + times.system + times.children_user + times.children_system
    return dict(total)


def idle_cores(pids: Sequence[Sequence[int]], seconds: float) -> list[float]:
    """CPU that each of several groups of trees takes for so long, in cores.

    Only what lives at the end counts: the end of a process says nothing about what idleness costs, and would
    take out, or add to its parent, all that it has ever used.
    """
    before, begun = list(map(_own_cpu_s, pids)), time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - begun
    return [
        sum(used - known.get(pid, 0.0) for pid, used in _own_cpu_s(group).items()) / passed
        for group, known in zip(pids, before, strict=True)
    ]


def _own_cpu_s(pids: Sequence[int]) -> dict[int, float]:
    found = {}
    for process in (process for pid in pids for process in tree(pid)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
    return found


def memory_mb(pids: Sequence[int]) -> float:
    """Memory of the trees in MB, shared pages counted once (PSS)."""
    total = 0
    for pid in pids:
        for process in tree(pid):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
    return total / 1e6


@contextlib.contextmanager
def peak_memory_mb(pids: Sequence[int]) -> Iterator[list[float]]:
    """Samples of the trees' memory while the block runs; their maximum is the peak."""
    samples = [memory_mb(pids)]
    end = threading.Event()

    def watch() -> None:
        while not end.wait(SAMPLE_S):
            samples.append(memory_mb(pids))

    thread = threading.Thread(target=watch, name="memory", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        end.set()
        thread.join()
