"""The Airflow that tests use: its own home below /tmp, SQLite metadata, this checkout's DAGs and plugins.

Loaded by the conftest files before anything imports Airflow, which reads all of this at its first import.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
ROOTS = tuple(str(REPO / root) for root in ("include", "plugins", "spark_jobs"))
_MARK = "CDC_TEST_AIRFLOW_HOME"


def set_environment() -> Path:
    """Set the variables once for this process, and return AIRFLOW_HOME."""
    if _MARK in os.environ:
        return Path(os.environ[_MARK])
    home = Path(tempfile.mkdtemp(prefix="cdc-airflow-tests-"))
    connections = home / "connections.json"
    connections.write_text("{}")
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "CDC_"))]:
        del os.environ[name]
    os.environ |= {
        _MARK: str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPO / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPO / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": f'{{"connections_file_path": "{connections}"}}',
        "AIRFLOW__API__BASE_URL": "http://airflow.example:8080",
        "CDC_HOME": str(home),
        "CDC_CONNECTIONS_FILE": str(connections),
        "PYTHONPATH": os.pathsep.join(ROOTS),
    }
    return home


def remove_home() -> None:
    """Remove what the tests' Airflow has written."""
    home = os.environ.pop(_MARK, None)
    if home:
        shutil.rmtree(home, ignore_errors=True)
