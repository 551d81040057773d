"""What `cdc plan` prints and `cdc apply` does, as values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

Kind = Literal["ops", "schema", "source", "topic", "ddl", "connector", "snapshot", "stream"]
OnStep = Callable[[str], None]


@dataclass(frozen=True)
class Change:
    """One thing that is not as the pipeline declares it.

    Attributes:
        subject: what changes, such as `clickhouse: cdc_raw.customers`.
        action: what is done to it.
    """

    kind: Kind
    subject: str
    action: str

    def __str__(self) -> str:
        return f"{self.kind:<9} {self.subject}: {self.action}"


@dataclass(frozen=True)
class Plan:
    """What apply would change."""

    pipeline: str
    changes: tuple[Change, ...]

    def __str__(self) -> str:
        if not self.changes:
            return f"pipeline {self.pipeline}: everything is as declared"
        lines = "\n".join(f"  {change}" for change in self.changes)
        return f"pipeline {self.pipeline}: {len(self.changes)} change(s)\n{lines}"

    def to_json(self) -> str:
        """The plan as JSON."""
        return json.dumps(asdict(self), indent=2)


@dataclass(frozen=True)
class Report:
    """What apply did."""

    pipeline: str
    steps: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """It had anything to do."""
        return bool(self.steps)

    def __str__(self) -> str:
        if not self.steps:
            return f"pipeline {self.pipeline}: nothing to do, everything is as declared"
        return f"pipeline {self.pipeline}: {len(self.steps)} step(s) done"

    def to_json(self) -> str:
        """The report as JSON."""
        return json.dumps(asdict(self), indent=2)


class Part(Protocol):
    """One area that a pipeline declares: the source's objects, topics, sinks, the connector."""

    def pending(self) -> list[Change]:
        """Compare what is there with what is declared; changes nothing.

        Raises:
            CdcError: it cannot be asked, or is of a kind that apply must not change.
        """
        ...

    def run(self, on_step: OnStep) -> None:
        """Make it as declared; may be run again after any failure."""
        ...
