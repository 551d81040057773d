"""The machine, its load, and the versions of everything that is measured."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from local_stack.bench.place import Place
from local_stack.bootstrap.jarsets import JAR_SETS, PEER_SETS

_PACKAGES = ("pyspark", "pyarrow", "orjson", "chdb", "clickhouse-connect", "psycopg")


def describe_environment(place: Place, peer_jars: Path) -> dict[str, Any]:
    """What the figures of a run depend on, with the machine's load as the run begins."""
    jars = {
        artifact.module: artifact.revision
        for jar_set in (*JAR_SETS, *PEER_SETS)
        for artifact in jar_set.roots
        if artifact.organisation in ("org.apache.kafka", "io.debezium", "org.apache.spark")
    }
    sink = next((path.name for path in (peer_jars / "peer-clickhouse").glob("clickhouse-kafka-*")), None)
    with place.postgres("cdc_warehouse") as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return {
        "cpu": _cpu_model(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "java": _java_version(place.ctx.java_home),
        "clickhouse": place.clickhouse().server_version,
        "postgresql": row[0] if row else None,
        "clickhouse-kafka-connect": sink,
        **jars,
        **{name: version(name) for name in _PACKAGES},
    }


def _cpu_model() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1) if found else platform.machine()


def _java_version(home: Path) -> str:
    try:
        text = (home / "release").read_text(encoding="utf-8")
    except FileNotFoundError:
        return "not known"
    found = re.search(r'^JAVA_VERSION="(.+)"$', text, re.MULTILINE)
    return found.group(1) if found else "not known"
