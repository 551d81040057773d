"""What `up`, `down` and `status` show."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import psutil
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from local_stack.component import StackContext
from local_stack.spark_processes import spark_processes, tree_memory
from local_stack.supervisor.policy import State
from local_stack.supervisor.record import ComponentRecord, SupervisorRecord

COLOURS = {
    State.RUNNING: "green",
    State.STARTING: "cyan",
    State.BACKOFF: "yellow",
    State.STOPPING: "yellow",
    State.FAILED: "red",
}


class StackProgress:
    """A bar for each component, towards `goal`; without a terminal, a line for each change."""

    def __init__(self, console: Console, goal: State) -> None:
        """Draw on `console` once `follow` is called."""
        self._console = console
        self._goal = goal
        self._said: dict[str, State] = {}
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]:<9}"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[reason]}"),
            console=console,
        )

    @contextmanager
    def shown(self) -> Iterator[StackProgress]:
        """Show the bars while the block runs."""
        if not self._console.is_terminal:
            yield self
            return
        with self._progress:
            yield self

    def follow(self, record: SupervisorRecord) -> None:
        """Show the latest record."""
        for component in record.components:
            if self._console.is_terminal:
                self._draw(component)
            elif self._said.get(component.name) is not component.state:
                self._print(component)
            self._said[component.name] = component.state

    def _print(self, component: ComponentRecord) -> None:
        reason = f" ({component.reason})" if component.reason else ""
        self._console.print(
            f"{component.title}: {component.state}{reason}", highlight=False, markup=False, soft_wrap=True
        )

    def _draw(self, component: ComponentRecord) -> None:
        if component.name not in self._tasks:
            self._tasks[component.name] = self._progress.add_task(
                component.title, total=None, start=False, state="", reason=""
            )
        task, state = self._tasks[component.name], component.state
        if state is not State.WAITING and self._said.get(component.name) in (None, State.WAITING):
            self._progress.start_task(task)
        done = state is self._goal
        self._progress.update(
            task,
            total=1 if done else None,
            completed=1 if done else 0,
            state=f"[{COLOURS.get(state, 'white')}]{state}[/]",
            reason=component.reason[:60].replace("[", r"\["),
        )


@dataclass(frozen=True)
class StatusRow:
    """One line of `make status`, one object of `make status JSON=1`."""

    name: str
    pid: int | None
    state: str
    restarts: int
    uptime_s: float
    port: int | None
    memory_mb: int
    reason: str


def collect_status(ctx: StackContext, record: SupervisorRecord) -> list[StatusRow]:
    """The components, then the Spark drivers and executors that YARN runs."""
    now = time.time()
    rows = [_row(component, now) for component in record.components]
    rows += [
        StatusRow(
            name=process.name,
            pid=process.pid,
            state=str(State.RUNNING),
            restarts=process.restarts,
            uptime_s=round(now - process.started_at, 1),
            port=None,
            memory_mb=process.memory_bytes >> 20,
            reason="",
        )
        for process in spark_processes(ctx)
    ]
    return rows


def _row(component: ComponentRecord, now: float) -> StatusRow:
    return StatusRow(
        name=component.name,
        pid=component.pid,
        state=str(component.state),
        restarts=component.restarts,
        uptime_s=round(now - component.since, 1) if component.state is State.RUNNING else 0.0,
        port=component.port or None,
        memory_mb=_memory(component.pid) >> 20,
        reason=component.reason,
    )


def _memory(pid: int | None) -> int:
    try:
        return tree_memory(psutil.Process(pid)) if pid else 0
    except psutil.Error:
        return 0


def status_json(rows: list[StatusRow]) -> list[dict[str, object]]:
    """The rows as plain objects."""
    return [asdict(row) for row in rows]


def status_table(rows: list[StatusRow], title: str) -> Table:
    """The rows as a table."""
    total = sum(row.memory_mb for row in rows)
    table = Table(title=title, caption=f"{total:,} MB in all")
    numbers = {"pid", "restarts", "up", "port", "MB"}
    for heading in ("name", "pid", "state", "restarts", "up", "port", "MB", "reason"):
        table.add_column(heading, justify="right" if heading in numbers else "left")
    for row in rows:
        colour = COLOURS.get(State(row.state), "white")
        table.add_row(
            row.name,
            str(row.pid or ""),
            f"[{colour}]{row.state}[/]",
            str(row.restarts),
            f"{row.uptime_s:,.0f} s",
            str(row.port or ""),
            str(row.memory_mb),
            row.reason.replace("[", r"\["),
        )
    return table
