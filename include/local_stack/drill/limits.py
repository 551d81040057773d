"""Stricter limits while a drill runs, so that a fault of a minute is noticed within that minute.

They are an overlay of the pipeline's own file, which Airflow's checks read at each look. The file gets its
bytes back at the end; a copy in the stack's home does so for a drill that was killed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ruamel.yaml import YAML

from local_stack.envfile import write_atomically

LIMITS: Mapping[str, int] = {
    "max_progress_age_s": 30,
    "max_slot_inactive_s": 30,
    # Drills that follow each other must not use up what an hour allows.
    "connector_restarts_per_hour": 20,
}

NOTICE = "# A drill is under way: its stricter limits are in here until it ends. Do not commit this.\n"


class StricterLimits:
    """The overlay, as a context manager.

    Args:
        file: the pipeline's.
        env: whose overlay it is, as `CDC_ENV`.
        kept: the folder that holds the original meanwhile.
        say: told when the file cannot be put back.
    """

    def __init__(self, file: Path, env: str, kept: Path, say: Callable[[str], None]) -> None:
        """Nothing is written yet."""
        self._file, self._env, self._say = file, env, say
        self._original, self._stricter = kept / "original.yaml", kept / "stricter.yaml"

    def __enter__(self) -> Self:
        """Put back what a drill that was killed has left, then lay the limits over the file."""
        self.put_back()
        original = _read(self._file)
        stricter = with_limits(original, self._env, LIMITS)
        write_atomically(self._original, original)
        write_atomically(self._stricter, stricter)
        self._replace(stricter)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the file back."""
        self.put_back()

    def put_back(self) -> None:
        """Give the file its bytes back, unless somebody has edited it meanwhile."""
        if not self._original.exists():
            return
        if _read(self._file) == _read(self._stricter):
            self._replace(_read(self._original))
        elif _read(self._file) != _read(self._original):
            limits = ", ".join(LIMITS)
            self._say(f"{self._file} was edited during the drill and stays so: take {limits} out of it")
        self._original.unlink()
        self._stricter.unlink()

    def _replace(self, text: str) -> None:
        write_atomically(self._file, text, self._file.stat().st_mode & 0o777)


def with_limits(text: str, env: str, limits: Mapping[str, int]) -> str:
    """The pipeline file `text` with `limits` in the policies of environment `env`. Pure."""
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    document: Any = yaml.load(text)
    if document.get("environments") is None:
        document["environments"] = {}
    environments = document["environments"]
    if environments.get(env) is None:
        environments[env] = {}
    overlay = environments[env]
    overlay["policies"] = {**(overlay.get("policies") or {}), **limits}
    out = io.StringIO()
    yaml.dump(document, out)
    return NOTICE + out.getvalue()


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")
