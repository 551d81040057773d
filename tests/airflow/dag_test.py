"""`airflow dags test` in a process of its own, forked from one that has imported Airflow already.

The imports take longer than most runs. Nothing else of it is left out: the arguments go through
`airflow`'s own entry point, and DAG files, connections and the database are read by each run.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

LIMIT_S = 800.0
_fork = multiprocessing.get_context("forkserver")
# The first run starts the process from which all are forked, with the environment of that moment.
_fork.set_forkserver_preload(
    [
        "airflow.__main__",
        "airflow.api_fastapi.execution_api.app",
        "airflow.api_fastapi.execution_api.routes",
        "airflow.cli.commands.dag_command",
        "airflow.sdk.execution_time.supervisor",
        "airflow.sdk.execution_time.task_runner",
    ]
)


class DagTest:
    """One run of a DAG, begun; the environment is that of the first one."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        """Begin a run.

        Args:
            folder: where to write the run's log.
            arguments: what follows `airflow dags test`.
        """
        handle, name = tempfile.mkstemp(suffix=".log", dir=folder)
        os.close(handle)
        self._log = Path(name)
        self._process = _fork.Process(target=_main, args=(self._log, arguments))
        self._process.start()

    def result(self) -> tuple[bool, str]:
        """Wait for the end; whether the run succeeded, and its log."""
        self._process.join(LIMIT_S)
        if self._process.exitcode is None:
            self._process.kill()
            raise TimeoutError(f"goes on after {LIMIT_S} s:\n{self._log.read_text()[-3000:]}")
        return self._process.exitcode == 0, self._log.read_text()


def _main(log: Path, arguments: tuple[str, ...]) -> None:
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, sys.stdout.fileno())
    os.dup2(file, sys.stderr.fileno())
    sys.argv = ["airflow", "dags", "test", *arguments]
    from airflow.__main__ import main

    main()
