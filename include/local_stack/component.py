"""What the supervisor knows about a component: the interface, and the context it is called with.

A component is a description without state. The supervisor calls, for each start of each component:

    prepare ─▶ command ─▶ (spawn) ─▶ probe, again and again until it returns None ─▶ after_ready

`ports`, `secrets`, `exports` and `connections` are known before anything starts, so `stack.env` and
`connections.json` are complete when the first component is spawned.
"""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from local_stack.envfile import read_env


@dataclass(frozen=True)
class PortSpec:
    """A TCP port on 127.0.0.1: `preferred` is taken when free, else another that is remembered.

    Names are unique in a stack; `ctx.ports[name]` is the port in use.
    """

    name: str
    preferred: int


@dataclass(frozen=True)
class Command:
    """The process of a component.

    `env` is laid over a clean base (PATH, HOME, LANG, JAVA_HOME), not over the caller's environment.
    On stop the process group gets `stop_signal`, and SIGKILL after `stop_timeout_s`.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: int = signal.SIGTERM
    stop_timeout_s: float = 30.0


@dataclass(frozen=True)
class StackContext:
    """Where a stack lives and what was chosen for it.

    Attributes:
        repo: the checkout.
        home: `CDC_HOME`, everything that this stack writes.
        jars: `CDC_JARS`, shared by all stacks of a checkout, read only.
        java_home: a JDK or JRE 17 or 21.
        python: the virtual environment's interpreter.
        ports: port by `PortSpec.name`.
        secrets: random password by name, for each name in `Component.secrets`.
    """

    repo: Path
    home: Path
    jars: Path
    java_home: Path
    python: Path
    ports: Mapping[str, int]
    secrets: Mapping[str, str]

    @property
    def java(self) -> Path:
        """The `java` binary."""
        return self.java_home / "bin" / "java"

    @property
    def env_file(self) -> Path:
        """`stack.env`: the stack's contract with everything outside it."""
        return self.home / "stack.env"

    @property
    def connections_file(self) -> Path:
        """`connections.json`: Airflow's local secrets backend, read by `cdc.connections` too."""
        return self.home / "connections.json"

    @property
    def state_dir(self) -> Path:
        """The supervisor's own records."""
        return self._folder("state")

    @property
    def checkpoint_root(self) -> Path:
        """Spark's checkpoints, `<pipeline>/<stream>/<sink>` below it."""
        return self._folder("checkpoints")

    def data_dir(self, name: str) -> Path:
        """`data/<name>`, created: what must outlive a stop."""
        return self._folder("data", name)

    def run_dir(self, name: str) -> Path:
        """`run/<name>`, created: generated configuration, written again at each start."""
        return self._folder("run", name)

    def log_file(self, name: str) -> Path:
        """`logs/<name>.log`, to which the component's output goes."""
        return self._folder("logs") / f"{name}.log"

    def stack_env(self) -> dict[str, str]:
        """`stack.env` as it was written before the first component started."""
        return read_env(self.env_file)

    def _folder(self, *parts: str) -> Path:
        folder = self.home.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class Component(ABC):
    """One supervised process.

    Class attributes:
        name: unique; the log file, the folders and `make logs SERVICE=<name>` carry it.
        title: what the progress bar says.
        requires: names of components that must be ready first.
        ports: the ports it listens on; the first one is shown in `make status`.
        secrets: names of the random passwords it needs (`ctx.secrets[name]`); names may be shared.
        heavy: it takes a whole core while starting (a JVM, an Airflow process), so two do not start at once.
        ready_timeout_s: if it is not ready by then, it is stopped and started again.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()
    ports: ClassVar[tuple[PortSpec, ...]] = ()
    secrets: ClassVar[tuple[str, ...]] = ()
    heavy: ClassVar[bool] = False
    ready_timeout_s: ClassVar[float] = 60.0

    def prepare(self, ctx: StackContext) -> None:  # noqa: B027 - optional, not forgotten
        """Make data folders and configuration; called before each start, so idempotent."""

    @abstractmethod
    def command(self, ctx: StackContext) -> Command:
        """The process to start."""

    @abstractmethod
    def probe(self, ctx: StackContext) -> str | None:
        """One quick attempt: None when ready, else a sentence that says why not."""

    def after_ready(self, ctx: StackContext) -> None:  # noqa: B027 - optional, not forgotten
        """Create roles, databases, topics; called after each start, so idempotent."""

    def after_stop(self, ctx: StackContext) -> None:  # noqa: B027 - optional, not forgotten
        """End what the process leaves running on purpose; called when the stack stops, not at a restart."""

    def exports(self, ctx: StackContext) -> dict[str, str]:
        """This component's lines of `stack.env`."""
        return {}

    def shell_environment(self, ctx: StackContext) -> dict[str, str]:
        """What `activate` sets besides `stack.env`, so that this component's own commands work in a shell."""
        return {}

    def connections(self, ctx: StackContext) -> dict[str, dict[str, Any]]:
        """This component's entries of `connections.json`, in the format of Airflow's file backend."""
        return {}
