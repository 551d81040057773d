"""Starts, kills and stops real components of one stack, as the supervisor does."""

from __future__ import annotations

import subprocess
import time

from local_stack.component import Command, Component, StackContext
from local_stack.supervisor.process import end_processes, group_members, spawn, stop_child


class Runner:
    """Starts, kills and stops components of one stack."""

    def __init__(self, ctx: StackContext) -> None:
        self.ctx = ctx
        self._running: dict[str, tuple[Component, Command, subprocess.Popen[bytes]]] = {}

    def start(self, component: Component) -> float:
        """Prepare, spawn, wait, finish; returns the seconds from spawn to ready."""
        component.prepare(self.ctx)
        command = component.command(self.ctx)
        child = spawn(command, self.ctx, self.ctx.log_file(component.name))
        self._running[component.name] = (component, command, child)
        begun = time.monotonic()
        while (reason := component.probe(self.ctx)) is not None:
            log = self.ctx.log_file(component.name)
            assert child.poll() is None, f"{component.name} died: {log.read_text()[-3000:]}"
            assert time.monotonic() - begun < component.ready_timeout_s, reason
            time.sleep(0.1)
        assert child.poll() is None, f"something else answers on the port of {component.name}"
        component.after_ready(self.ctx)
        return time.monotonic() - begun

    def pid(self, component: Component) -> int:
        return self._running[component.name][2].pid

    def kill(self, component: Component) -> None:
        """`kill -9` of the process alone; then what the supervisor does about the rest of its group."""
        _, _, child = self._running[component.name]
        child.kill()
        child.wait()
        end_processes(group_members(child.pid), 15, 5)

    def kill_and_start(self, component: Component) -> float:
        self.kill(component)
        return self.start(component)

    def stop(self, component: Component) -> int:
        """Stop in order; returns the exit code."""
        _, command, child = self._running.pop(component.name)
        stop_child(child, command, 5)
        component.after_stop(self.ctx)
        return child.returncode

    def stop_all(self) -> None:
        for component, _, _ in reversed(list(self._running.values())):
            self.stop(component)
