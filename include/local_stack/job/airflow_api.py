"""Airflow's REST API, as far as the main job needs it: trigger a DAG and follow its run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import requests

from cdc.errors import TerminalError, UnavailableError

TIMEOUT_S = 15
FINISHED = frozenset({"success", "failed"})
LOG_LINES = 12


class DagFailedError(TerminalError):
    """A DAG's run failed; the message carries the failed task and the end of its log."""


@dataclass(frozen=True)
class DagRun:
    """One run of a DAG."""

    dag_id: str
    run_id: str
    state: str
    run_type: str
    run_after: datetime

    @property
    def finished(self) -> bool:
        """Whether it has ended, well or not."""
        return self.state in FINISHED


class AirflowApi:
    """The REST API of one Airflow, logged in with a user and a password.

    Args:
        url: as `AIRFLOW_URL`.
        user: as `AIRFLOW_USER`.
        password: as `AIRFLOW_PASSWORD`.
        sleep: as in `time`.
    """

    def __init__(
        self, url: str, user: str, password: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Nothing is asked before the first call."""
        self._url, self._login, self._sleep = url.rstrip("/"), {"username": user, "password": password}, sleep
        self._session = requests.Session()

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> AirflowApi:
        """From the lines of `stack.env`."""
        return cls(env["AIRFLOW_URL"], env["AIRFLOW_USER"], env["AIRFLOW_PASSWORD"])

    def is_parsed(self, dag_id: str) -> bool:
        """Whether Airflow knows the DAG already.

        Raises:
            DagFailedError: its file cannot be imported.
        """
        answer = self._call("GET", f"/dags/{quote(dag_id)}", allow=(404,))
        if answer is not None:
            return True
        errors = (self._call("GET", "/importErrors") or {}).get("import_errors", [])
        if errors:
            trace = errors[0]["stack_trace"].strip().splitlines()[-1]
            raise DagFailedError(f"Airflow cannot import {errors[0]['filename']}: {trace}")
        return False

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> DagRun:
        """Start a run by hand."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        return _run(self._need("POST", f"/dags/{quote(dag_id)}/dagRuns", json=body))

    def runs(self, dag_id: str, limit: int = 5) -> list[DagRun]:
        """The newest runs, newest first."""
        query = {"order_by": "-run_after", "limit": limit}
        found = self._need("GET", f"/dags/{quote(dag_id)}/dagRuns", params=query)
        return [_run(entry) for entry in found["dag_runs"]]

    def next_run(self, dag_id: str) -> datetime | None:
        """When the schedule begins the DAG's next run; None without a schedule."""
        when = self._need("GET", f"/dags/{quote(dag_id)}")["next_dagrun_run_after"]
        return None if when is None else datetime.fromisoformat(when)

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """A run as it is now."""
        return _run(self._need("GET", f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"))

    def tasks(self, run: DagRun) -> list[dict[str, Any]]:
        """The run's task instances, as the API returns them."""
        path = f"/dags/{quote(run.dag_id)}/dagRuns/{quote(run.run_id, safe='')}/taskInstances"
        return list(self._need("GET", path)["task_instances"])

    def explain(self, run: DagRun) -> str:
        """A failed run in words: the task that failed first, and the end of its log."""
        failed = [task for task in self.tasks(run) if task["state"] == "failed"]
        if not failed:
            return f"{run.dag_id} is {run.state}"
        task = failed[0]
        path = (
            f"/dags/{quote(run.dag_id)}/dagRuns/{quote(run.run_id, safe='')}/taskInstances/"
            f"{quote(task['task_id'])}/logs/{task['try_number']}"
        )
        log = self._call("GET", path, params={"full_content": "true"}, allow=(404,)) or {}
        lines = [str(line.get("event", line)) for line in log.get("content", []) if isinstance(line, dict)]
        return "\n".join([f"{run.dag_id}: task {task['task_id']} failed", *lines[-LOG_LINES:]])

    def _need(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self._call(method, path, **options)
        if answer is None:
            raise UnavailableError(f"Airflow answered {method} {path} with nothing; expected JSON")
        return answer

    def _call(
        self, method: str, path: str, *, allow: tuple[int, ...] = (), **options: Any
    ) -> dict[str, Any] | None:
        """Call the API; a few attempts, since the api-server may be starting again."""
        problem = ""
        for attempt in range(6):
            try:
                if "Authorization" not in self._session.headers:
                    self._log_in()
                answer = self._session.request(
                    method, f"{self._url}/api/v2{path}", timeout=TIMEOUT_S, **options
                )
                if answer.status_code in allow:
                    return None
                if answer.ok:
                    return dict(answer.json())
                problem = f"{answer.status_code} {answer.text[:300]}"
                if answer.status_code == requests.codes.unauthorized:
                    self._session.headers.pop("Authorization", None)
                elif answer.status_code < requests.codes.server_error:
                    break
            except (requests.RequestException, ValueError) as error:
                problem = f"{type(error).__name__}: {error}"
            self._sleep(min(5.0, 0.5 * 2**attempt))
        raise UnavailableError(
            f"Airflow answered {method} {path} with {problem}: see `make logs SERVICE=airflow-api-server`"
        )

    def _log_in(self) -> None:
        answer = self._session.post(f"{self._url}/auth/token", json=self._login, timeout=TIMEOUT_S)
        answer.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def _run(entry: Mapping[str, Any]) -> DagRun:
    return DagRun(
        dag_id=entry["dag_id"],
        run_id=entry["dag_run_id"],
        state=entry["state"],
        run_type=entry["run_type"],
        run_after=datetime.fromisoformat(entry["run_after"]),
    )
