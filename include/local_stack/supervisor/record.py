"""What the supervisor writes down for others: `state/supervisor.json`.

It is the only channel from the daemon to the commands (the other direction is SIGTERM), and after a crash of
the daemon it names the processes that are left over.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from local_stack.envfile import write_atomically
from local_stack.supervisor.policy import State


class Phase(StrEnum):
    """What the supervisor as a whole is doing."""

    RUNNING = "running"
    STOPPING_STREAMS = "stopping streams"
    STOPPING = "stopping"
    STOPPED = "stopped"


class ComponentRecord(BaseModel):
    """One component.

    Attributes:
        pid: of the process, also its process group and session; None when there is none.
        birth: the kernel's start time of that process, so that a reused pid is never mistaken for it.
        restarts: starts after the first one.
        since: Unix time at which `state` began.
        reason: what it waits for, or how it died; empty when all is well.
        port: the first port it listens on, 0 when it has none.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    state: State = State.WAITING
    pid: int | None = None
    birth: str = ""
    restarts: int = 0
    since: float = 0.0
    reason: str = ""
    port: int = 0
    stop_signal: int = 15


class SupervisorRecord(BaseModel):
    """The supervisor and its components, in the order in which they start."""

    model_config = ConfigDict(frozen=True)

    pid: int
    birth: str
    phase: Phase = Phase.RUNNING
    components: tuple[ComponentRecord, ...] = ()

    def component(self, name: str) -> ComponentRecord | None:
        """The record of that name."""
        return next((component for component in self.components if component.name == name), None)


def record_file(home: Path) -> Path:
    """Where the supervisor of a stack writes its record."""
    return home / "state" / "supervisor.json"


def read_record(home: Path) -> SupervisorRecord | None:
    """Read the last record; None when there never was one, or when it cannot be understood."""
    try:
        return SupervisorRecord.model_validate_json(record_file(home).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_record(home: Path, record: SupervisorRecord) -> None:
    """Replace the record in one step."""
    write_atomically(record_file(home), record.model_dump_json(indent=1) + "\n", 0o600)
