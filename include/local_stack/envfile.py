"""`stack.env`: plain `KEY=VALUE` lines, and files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def read_env(path: Path) -> dict[str, str]:
    """Read `KEY=VALUE` lines; the file is written by `render_env`, so there is no quoting to undo."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def render_env(values: Mapping[str, str]) -> str:
    """Render values as lines, in their order.

    Raises:
        ValueError: when a value has a line break, which the format cannot hold.
    """
    for key, value in values.items():
        if "\n" in value:
            raise ValueError(f"{key} has a line break, which a KEY=VALUE line cannot hold")
    return "".join(f"{key}={value}\n" for key, value in values.items())


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        os.fchmod(descriptor, mode)
        handle.write(text)
    scratch.replace(path)
