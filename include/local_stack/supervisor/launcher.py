"""Becomes a component's process, after asking the kernel to signal it when the supervisor dies.

Run as `python -I -S launcher.py <signal> <supervisor pid> <program> <arguments...>`. A program of its own
and not `preexec_fn`, which is not safe in a process with threads. Only the standard library, since it must
start at once.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Set the parent-death signal and replace this process by the program."""
    death_signal, supervisor, program = int(argv[0]), int(argv[1]), argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != supervisor:  # it died before the kernel knew
        sys.exit(1)
    try:
        os.execvp(program[0], program)  # noqa: S606 - becoming that program is the purpose
    except OSError as error:
        sys.exit(f"cannot run {program[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
