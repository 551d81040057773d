"""YARN's ResourceManager over REST."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cdc.clients.http import HttpError, JsonClient

LIVE = ("NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED", "RUNNING")
_NOT_FOUND = 404


@dataclass(frozen=True)
class Application:
    """A Spark application on YARN."""

    id: str
    name: str
    state: str
    final_status: str
    tags: frozenset[str]
    started_at: datetime
    tracking_url: str
    memory_mb: int
    diagnostics: str = ""

    @property
    def live(self) -> bool:
        """It has not ended."""
        return self.state in LIVE


@dataclass(frozen=True)
class Container:
    """A container of an application's newest attempt; the first one is the driver's."""

    id: str
    node: str
    state: str
    memory_mb: int


@dataclass(frozen=True)
class ClusterMetrics:
    """What the cluster has and what is free."""

    total_mb: int
    available_mb: int
    active_nodes: int


class YarnClient:
    """Finds, watches and kills applications.

    Args:
        url: the ResourceManager's web address.
        user: who a kill is done as on a cluster without authentication.
    """

    def __init__(self, url: str, timeout_s: float = 10.0, user: str | None = None) -> None:
        self._http = JsonClient("YARN's ResourceManager", url, timeout_s)
        self._user = user or getpass.getuser()

    def applications(self, tags: Iterable[str] = (), states: Iterable[str] = LIVE) -> list[Application]:
        """Applications that carry one of the tags, oldest first; without tags, all in those states."""
        query = {"states": ",".join(states)}
        if wanted := ",".join(tags):
            # Spark's tags keep their case; YARN lowers those that it is asked for and those that it stores.
            query["applicationTags"] = wanted
        answer = self._http.call("GET", "/ws/v1/cluster/apps", **query)
        found = [_application(item) for item in ((answer or {}).get("apps") or {}).get("app", [])]
        return sorted(found, key=lambda application: (application.started_at, application.id))

    def application(self, application_id: str) -> Application | None:
        """One application, or None when the ResourceManager does not know it."""
        try:
            return _application(self._http.call("GET", f"/ws/v1/cluster/apps/{application_id}")["app"])
        except HttpError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    def kill(self, application_id: str) -> None:
        """Ask YARN to kill an application; it is gone a moment later."""
        path = f"/ws/v1/cluster/apps/{application_id}/state"
        self._http.call("PUT", path, {"state": "KILLED"}, **{"user.name": self._user})

    def attempts(self, application_id: str) -> list[str]:
        """The application's attempts, oldest first, each by its id."""
        answer = self._http.call("GET", f"/ws/v1/cluster/apps/{application_id}/appattempts")
        found = ((answer or {}).get("appAttempts") or {}).get("appAttempt", [])
        return [item["appAttemptId"] for item in sorted(found, key=lambda item: int(item["id"]))]

    def containers(self, application_id: str) -> list[Container]:
        """The running containers of the newest attempt."""
        attempts = self.attempts(application_id)
        if not attempts:
            return []
        path = f"/ws/v1/cluster/apps/{application_id}/appattempts/{attempts[-1]}/containers"
        try:
            answer = self._http.call("GET", path)
        except HttpError as error:
            if error.status == _NOT_FOUND:
                return []
            raise
        found = (answer or {}).get("container", [])
        items = found if isinstance(found, list) else [found]
        return [
            Container(
                item["containerId"], item["nodeHttpAddress"], item["containerState"], int(item["allocatedMB"])
            )
            for item in sorted(items, key=lambda item: item["containerId"])
        ]

    def metrics(self) -> ClusterMetrics:
        """Memory and nodes."""
        found = self._http.call("GET", "/ws/v1/cluster/metrics")["clusterMetrics"]
        return ClusterMetrics(found["totalMB"], found["availableMB"], found["activeNodes"])


def _application(item: dict[str, Any]) -> Application:
    return Application(
        id=item["id"],
        name=item["name"],
        state=item["state"],
        final_status=item["finalStatus"],
        tags=frozenset(filter(None, (item.get("applicationTags") or "").split(","))),
        started_at=datetime.fromtimestamp(item["startedTime"] / 1000, UTC),
        tracking_url=item.get("trackingUrl") or "",
        memory_mb=int(item.get("allocatedMB") or 0),
        diagnostics=(item.get("diagnostics") or "").strip(),
    )
