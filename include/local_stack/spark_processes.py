"""Spark's drivers and executors: not components, since YARN runs them, but part of what runs.

A container's JVM is recognised by the environment that the NodeManager gives it: `CONTAINER_ID`, and
`LOCAL_DIRS` below this stack's home. Names of applications come from the ResourceManager.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

from local_stack.component import StackContext

LIVE_STATES = "NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING"
EXECUTOR_CLASS = "YarnCoarseGrainedExecutorBackend"
DRIVER_CLASS = "ApplicationMaster"


@dataclass(frozen=True)
class SparkProcess:
    """A JVM in a YARN container.

    Attributes:
        name: `driver:<application name>` or `executor:<application name>:<executor id>`.
        restarts: application attempts after the first one.
        memory_bytes: resident memory of the JVM and its Python workers.
    """

    name: str
    application_id: str
    pid: int
    started_at: float
    restarts: int
    memory_bytes: int


@dataclass(frozen=True)
class _Jvm:
    process: psutil.Process
    command: tuple[str, ...]
    container: str

    @property
    def application_id(self) -> str:
        match = re.match(r"container_(?:e\d+_)?(\d+_\d+)_", self.container)
        return f"application_{match.group(1)}" if match else ""

    @property
    def attempt(self) -> int:
        match = re.match(r"container_(?:e\d+_)?\d+_\d+_(\d+)_", self.container)
        return int(match.group(1)) if match else 1


def spark_processes(ctx: StackContext) -> tuple[SparkProcess, ...]:
    """Drivers and executors that run now, sorted by name; without the ResourceManager, by application id."""
    names = application_names(ctx.stack_env().get("YARN_RM_URL", ""))
    found = [process for jvm in _jvms(ctx.home) if (process := _describe(jvm, names)) is not None]
    return tuple(sorted(found, key=lambda process: process.name))


def application_names(yarn_url: str) -> dict[str, str]:
    """Application name by id, of those that are not finished; {} when the ResourceManager does not answer."""
    if not yarn_url:
        return {}
    try:
        answer = requests.get(f"{yarn_url}/ws/v1/cluster/apps", params={"states": LIVE_STATES}, timeout=3)
        answer.raise_for_status()
        apps = (answer.json().get("apps") or {}).get("app") or []
    except (requests.RequestException, ValueError):
        return {}
    return {app["id"]: app["name"] for app in apps}


def container_processes(home: Path) -> list[psutil.Process]:
    """Every process in a container of this stack's NodeManager: launch scripts, JVMs and Python workers."""
    return [process for process in psutil.process_iter() if _container_of(process, home)]


def _jvms(home: Path) -> Iterable[_Jvm]:
    for process in psutil.process_iter():
        container = _container_of(process, home)
        try:
            if container and process.name() == "java":
                yield _Jvm(process, tuple(process.cmdline()), container)
        except psutil.Error:
            continue


def _container_of(process: psutil.Process, home: Path) -> str:
    try:
        env = process.environ()
    except psutil.Error:  # ended meanwhile, or another user's
        return ""
    inside = any(folder.startswith(f"{home}/") for folder in env.get("LOCAL_DIRS", "").split(","))
    return str(env.get("CONTAINER_ID", "")) if inside else ""


def _describe(jvm: _Jvm, names: Mapping[str, str]) -> SparkProcess | None:
    name = names.get(jvm.application_id, jvm.application_id)
    role = classify(jvm.command)
    try:
        if role is None:
            return None
        return SparkProcess(
            name=f"driver:{name}" if role == "driver" else f"executor:{name}:{role}",
            application_id=jvm.application_id,
            pid=jvm.process.pid,
            started_at=jvm.process.create_time(),
            restarts=jvm.attempt - 1,
            memory_bytes=tree_memory(jvm.process),
        )
    except psutil.Error:
        return None


def classify(command: tuple[str, ...]) -> str | None:
    """Say "driver", the executor's id, or None for a JVM that is neither."""
    main = next((word.rsplit(".", 1)[-1] for word in command if word.startswith("org.apache.spark.")), "")
    if main == DRIVER_CLASS:
        return "driver"
    if main == EXECUTOR_CLASS and "--executor-id" in command[:-1]:
        return command[command.index("--executor-id") + 1]
    return None


def tree_memory(process: psutil.Process) -> int:
    """Memory of a process and its descendants; shared pages are counted once where the kernel tells."""
    total = 0
    for member in (process, *process.children(recursive=True)):
        try:
            total += member.memory_full_info().pss
        except psutil.AccessDenied:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total
