"""Kafka Connect's REST interface."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from cdc.clients.http import HttpError, JsonClient
from cdc.errors import ConfigurationError, TransientError, UnavailableError
from cdc.model.samples import TaskSample

_NOT_FOUND = 404
POLL_S = 0.5
FAILED_FOR_S = 5.0


@dataclass(frozen=True)
class ConnectorStatus:
    """A connector and its tasks, as Connect reports them."""

    name: str
    state: str
    worker: str
    tasks: tuple[TaskSample, ...]
    trace: str = ""

    @property
    def running(self) -> bool:
        """The connector and every task run, and there is at least one."""
        return self.state == "RUNNING" and bool(self.tasks) and all(t.state == "RUNNING" for t in self.tasks)

    @property
    def failed(self) -> str:
        """The trace of what failed, or an empty text."""
        if self.state == "FAILED":
            return self.trace or "the connector has failed without a trace"
        return next((task.trace or "no trace" for task in self.tasks if task.state == "FAILED"), "")


class ConnectClient:
    """Registers and watches connectors.

    Args:
        url: Connect's REST address.
        timeout_s: of one call; creating a connector can take a rebalance.
    """

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        self._http = JsonClient("Kafka Connect", url, timeout_s)

    def is_up(self) -> bool:
        """Connect answers and has joined its group."""
        try:
            self._http.call("GET", "/connectors")
        except (TransientError, HttpError):
            return False
        return True

    def validate(self, config: Mapping[str, str]) -> None:
        """Let Connect and the connector check a configuration; nothing is changed.

        Raises:
            ConfigurationError: settings are wrong; names each with what is expected.
        """
        plugin = config["connector.class"]
        path = f"/connector-plugins/{quote(plugin.rsplit('.', 1)[-1])}/config/validate"
        try:
            answer = self._http.call("PUT", path, dict(config))
        except HttpError as error:
            raise ConfigurationError(f"Kafka Connect cannot check {plugin}: {error.body[:300]}") from error
        if answer["error_count"]:
            wrong = [
                f"{item['value']['name']}: {' '.join(item['value']['errors'])}"
                for item in answer["configs"]
                if item["value"]["errors"]
            ]
            raise ConfigurationError(
                f"Kafka Connect refuses the connector's configuration: {'; '.join(wrong)}"
            )

    def put(self, name: str, config: Mapping[str, str]) -> None:
        """Create the connector, or give it a new configuration, which restarts its tasks.

        Raises:
            ConfigurationError: Connect refuses it.
        """
        try:
            self._http.call("PUT", f"/connectors/{quote(name)}/config", dict(config))
        except HttpError as error:
            raise ConfigurationError(f"connector {name} cannot be registered: {error}") from error

    def register_stopped(self, name: str, config: Mapping[str, str]) -> None:
        """Create the connector without starting it, so that its offsets can be asked for.

        Raises:
            ConfigurationError: Connect refuses it, or has it already.
        """
        document = {"name": name, "config": dict(config), "initial_state": "STOPPED"}
        try:
            self._http.call("POST", "/connectors", document)
        except HttpError as error:
            raise ConfigurationError(f"connector {name} cannot be registered: {error}") from error

    def names(self) -> list[str]:
        """Every registered connector."""
        return sorted(self._http.call("GET", "/connectors"))

    def config(self, name: str) -> dict[str, str] | None:
        """The registered configuration, or None when there is no such connector."""
        found: dict[str, str] | None = self._found("GET", f"/connectors/{quote(name)}/config")
        return found

    def status(self, name: str) -> ConnectorStatus | None:
        """State and traces, or None when there is no such connector."""
        found = self._found("GET", f"/connectors/{quote(name)}/status")
        if found is None:
            return None
        tasks = tuple(TaskSample(t["id"], t["state"], t.get("trace", "")) for t in found["tasks"])
        connector = found["connector"]
        return ConnectorStatus(
            name, connector["state"], connector.get("worker_id", ""), tasks, connector.get("trace", "")
        )

    def offsets(self, name: str) -> list[dict[str, Any]]:
        """What the connector has committed: for each partition of its source a position; empty before."""
        found = self._found("GET", f"/connectors/{quote(name)}/offsets") or {"offsets": []}
        return [entry["offset"] for entry in found["offsets"] if entry["offset"]]

    def restart(self, name: str, *, only_failed: bool = True) -> None:
        """Restart the connector and its tasks, by default only what failed."""
        path = f"/connectors/{quote(name)}/restart"
        self._http.call("POST", path, includeTasks="true", onlyFailed=str(only_failed).lower())

    def resume(self, name: str) -> None:
        """Take a pause or a stop back."""
        self._http.call("PUT", f"/connectors/{quote(name)}/resume")

    def stop(self, name: str) -> None:
        """Stop the connector and its tasks, keeping its configuration and offsets."""
        self._http.call("PUT", f"/connectors/{quote(name)}/stop")

    def forget_offsets(self, name: str, timeout_s: float = 60.0) -> None:
        """Stop the connector and remove what it has committed: resumed, it begins as it did the first time.

        Raises:
            UnavailableError: its tasks do not end in time.
        """
        self.stop(name)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self._http.call("DELETE", f"/connectors/{quote(name)}/offsets")
                return
            except HttpError as error:
                # Connect refuses as long as a task is about to end.
                if time.monotonic() > deadline:
                    raise UnavailableError(f"connector {name} keeps its offsets: {error}") from error
            time.sleep(POLL_S)

    def delete(self, name: str) -> bool:
        """Remove the connector; its offsets stay. False when there was none."""
        try:
            self._http.call("DELETE", f"/connectors/{quote(name)}")
        except HttpError as error:
            if error.status == _NOT_FOUND:
                return False
            raise
        return True

    def wait_running(
        self, name: str, timeout_s: float = 120.0, sleep: Callable[[float], None] = time.sleep
    ) -> ConnectorStatus:
        """Wait until the connector and its tasks run.

        Raises:
            ConfigurationError: a task failed and stayed failed; carries its trace.
            UnavailableError: it does not run in time.
        """
        deadline = time.monotonic() + timeout_s
        said, failures = "it is not registered", 0
        while time.monotonic() < deadline:
            status = self.status(name)
            if status is not None:
                if status.running:
                    return status
                # A failed state is reported for a moment after a new configuration was put.
                failures = failures + 1 if status.failed else 0
                if failures * POLL_S > FAILED_FOR_S:
                    raise ConfigurationError(f"connector {name} has failed: {status.failed.strip()}")
                said = f"it is {status.state}, tasks {[task.state for task in status.tasks]}"
            sleep(POLL_S)
        raise UnavailableError(
            f"connector {name} does not run after {timeout_s:.0f} s: {said}; see Connect's log"
        )

    def _found(self, method: str, path: str) -> Any:
        try:
            return self._http.call(method, path)
        except HttpError as error:
            if error.status == _NOT_FOUND:
                return None
            raise
