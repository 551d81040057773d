"""scripts/bootstrap.sh on machines that lack something: one sentence with the mend, and no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local_stack.context import REPO

TOOLS = (
    *(
        "bash",
        "env",
        "uname",
        "cat",
        "cksum",
        "dirname",
        "df",
        "awk",
        "sed",
        "head",
        "tail",
        "mktemp",
        "grep",
    ),
    *("flock", "rm", "cut"),
)
NEEDED = (
    "requirements.txt",
    "scripts/bootstrap.sh",
    *(f"include/local_stack/bootstrap/{name}" for name in ("jars.lock", "archive.py", "archive_training.py")),
)
SCRIPT = """#!/bin/sh
{body}
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which nothing is installed."""
    repo = tmp_path / "repo"
    for name in NEEDED:
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / name, repo / name)
    return repo


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH with the ordinary tools, and neither Python nor Java."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (folder / tool).symlink_to(found)
    return folder


def add_program(folder: Path, name: str, body: str) -> None:
    program = folder / name
    program.write_text(SCRIPT.format(body=body))
    program.chmod(0o755)


def add_python(folder: Path) -> None:
    # a wrapper and not a link: an interpreter looks for its library beside the name that it is called by
    add_program(folder, "python3", f'exec {Path(sys.executable).resolve()} "$@"')


def bootstrap(repo: Path, path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(repo / "scripts" / "bootstrap.sh")],
        env={"PATH": str(path), "HOME": str(repo), "CDC_JVM_FOLDERS": str(repo / "no-jvm"), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_without_python(checkout: Path, tools: Path) -> None:
    result = bootstrap(checkout, tools)
    assert result.returncode == 1
    assert result.stderr.startswith("Python 3.11, 3.12 or 3.13 is needed and none is on PATH: install one")
    assert result.stderr.count("\n") == 1


def test_a_python_of_another_version_does_not_count(checkout: Path, tools: Path) -> None:
    add_program(tools, "python3", "exit 1")  # what the version check of a 3.14 says
    assert "Python 3.11, 3.12 or 3.13 is needed" in bootstrap(checkout, tools).stderr


def test_without_java(checkout: Path, tools: Path) -> None:
    add_python(tools)
    result = bootstrap(checkout, tools)
    assert result.returncode == 1
    assert result.stderr.startswith("Java 17 or 21 is needed and none was found")
    assert result.stderr.count("\n") == 1
    assert not (checkout / ".venv").exists()


def test_a_java_that_is_too_new_does_not_count(checkout: Path, tools: Path) -> None:
    add_python(tools)
    add_program(tools, "java", "echo 'openjdk version \"25.0.1\" 2025-10-21' >&2")
    assert "Java 17 or 21 is needed" in bootstrap(checkout, tools).stderr


def test_without_network(checkout: Path, tools: Path) -> None:
    add_python(tools)
    add_program(tools, "java", "echo 'openjdk version \"17.0.9\" 2023-10-17' >&2")
    dead_end = "http://127.0.0.1:9/simple"
    result = bootstrap(
        checkout,
        tools,
        PIP_INDEX_URL=dead_end,
        PIP_RETRIES="0",
        PIP_NO_CACHE_DIR="1",
        PIP_CONFIG_FILE=os.devnull,
    )
    assert result.returncode == 1
    assert "the package index does not answer: check the network" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (checkout / ".venv" / ".complete").exists()


def test_nothing_is_done_when_everything_is_there(checkout: Path, tools: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".local" / "jars" / "kafka").mkdir(parents=True)
    add_program(checkout / ".venv" / "bin", "python", "exit 1")
    content = b"".join((checkout / part).read_bytes() for part in NEEDED)
    cksum = subprocess.run(["cksum"], input=content, capture_output=True, check=True).stdout.decode().strip()
    stamp = checkout / ".venv" / ".complete"
    stamp.write_text(f"{cksum} {checkout}/.local/jars")
    begun = time.monotonic()
    result = bootstrap(checkout, tools)  # there is no Python on this PATH, so anything but nothing would fail
    assert time.monotonic() - begun < 1.0
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    (checkout / "requirements.txt").write_text("another pin")
    assert bootstrap(checkout, tools).returncode == 1
