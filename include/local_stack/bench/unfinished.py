"""What a long bench has measured so far, kept in a file until the whole plan is done."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local_stack.bench.steps import Plan
from local_stack.envfile import write_atomically

Details = dict[str, Any]


class Unfinished:
    """The details of one run of a plan, a step at a time.

    Args:
        plan: what is measured; details of another plan are not taken up again.
        path: where finished steps are kept; None when a run is not kept.
    """

    def __init__(self, plan: Plan, path: Path | None) -> None:
        """Take up what an earlier run of the same plan has left."""
        self._path = path
        self.details: Details = {"plan": json.loads(json.dumps(asdict(plan)))}
        if path is not None and path.exists():
            found: Details = json.loads(path.read_text(encoding="utf-8"))
            if found.get("plan") == self.details["plan"]:
                self.details = found

    def has(self, step: str) -> bool:
        """Whether a step was done; a name with dots is the place of its details."""
        place: Any = self.details
        for part in step.split("."):
            if part not in place:
                return False
            place = place[part]
        return True

    def keep(self, step: str, found: Details) -> None:
        """A step is done."""
        *folders, last = step.split(".")
        place = self.details
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = found
        if self._path is not None:
            write_document(self._path, self.details)

    def forget_when_done(self, steps: Iterable[str]) -> None:
        """Keep the file while one of the plan's steps is missing."""
        if self._path is not None and all(map(self.has, steps)):
            self._path.unlink(missing_ok=True)


def write_document(path: Path, document: Details) -> None:
    """Write JSON."""
    write_atomically(path, json.dumps(document, indent=1) + "\n")
