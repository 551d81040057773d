"""Which processes belong to a start or to a folder of this stack, and ending those, and only those."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from local_stack.component import StackContext


def lies_below(candidate: str, folder: Path) -> bool:
    """Whether a path, as text, is a folder or something inside it."""
    return candidate == str(folder) or candidate.startswith(f"{folder}/")


def processes_working_in(folder: Path) -> list[psutil.Process]:
    """The processes whose working directory is a folder or inside it."""
    root = folder.resolve()
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if lies_below(process.cwd(), root):
                found.append(process)
    return found


def end_processes(processes: list[psutil.Process], grace_s: float) -> int:
    """Terminate processes, kill those that stay longer than `grace_s`; returns how many there were."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=grace_s)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=grace_s)
    return len(processes)


def started_file(ctx: StackContext, name: str) -> Path:
    """A file whose time says when the component's present start began."""
    return ctx.run_dir(name) / "started"
