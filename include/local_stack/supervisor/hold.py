"""A component that is to stay down for a while: `state/held/<name>`, with the Unix time at which it ends.

A hold says its own end, so that one whose maker has died does not keep a component down for good.
"""

from __future__ import annotations

import time
from pathlib import Path

from local_stack.envfile import write_atomically


def hold(home: Path, name: str, seconds: float) -> None:
    """Have the supervisor not start the component before so many seconds have passed."""
    write_atomically(_file(home, name), f"{time.time() + seconds}\n")


def release(home: Path, name: str) -> None:
    """Let the supervisor start it again; fine when nothing holds it."""
    _file(home, name).unlink(missing_ok=True)


def held_s(home: Path, name: str) -> float:
    """For how many more seconds it is to stay down; 0 when nothing holds it."""
    try:
        return max(0.0, float(_file(home, name).read_text(encoding="ascii")) - time.time())
    except (FileNotFoundError, ValueError):
        return 0.0


def release_all(home: Path) -> None:
    """Forget every hold; what is started is wanted."""
    for file in (home / "state" / "held").glob("*"):
        file.unlink(missing_ok=True)


def _file(home: Path, name: str) -> Path:
    return home / "state" / "held" / name
