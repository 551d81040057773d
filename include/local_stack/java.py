"""Finds a Java that every component runs on: Hadoop 3.4 refuses the newest ones, Kafka 4 the old ones."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cdc.errors import ConfigurationError

SUPPORTED = (17, 21)
DISTRIBUTION_FOLDERS = "/usr/lib/jvm:/opt"


def find_java(env: Mapping[str, str]) -> Path:
    """The home of a Java 17 or 21: `JAVA_HOME`, else `java` on PATH, else where distributions install it.

    `CDC_JVM_FOLDERS`, a list with colons, names other folders of installed Javas.

    Raises:
        ConfigurationError: when there is none, naming those that were found.
    """
    seen: dict[Path, int] = {}
    folders = env.get("CDC_JVM_FOLDERS") or DISTRIBUTION_FOLDERS
    for home in _candidates(env, [Path(folder) for folder in folders.split(":")]):
        seen[home] = read_major(home)
        if seen[home] in SUPPORTED:
            return home
    others = ", ".join(f"{home} is Java {major}" for home, major in seen.items() if major) or "none was found"
    raise ConfigurationError(
        f"Java 17 or 21 is needed, and {others}: install one (Debian, Ubuntu: apt-get install "
        "openjdk-17-jre-headless) or point JAVA_HOME at it"
    )


def _candidates(env: Mapping[str, str], folders: Iterable[Path]) -> Iterator[Path]:
    if env.get("JAVA_HOME"):
        yield Path(env["JAVA_HOME"])
    on_path = shutil.which("java", path=env.get("PATH", ""))
    if on_path:
        yield Path(on_path).resolve().parent.parent
    for folder in folders:
        for binary in sorted(folder.glob("*/bin/java")):
            yield binary.parent.parent


def read_major(home: Path) -> int:
    """Major version from the `release` file, else from `java -version`; 0 when it is no Java."""
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = _ask_version(home)
    match = re.search(r'(?:JAVA_VERSION=|version )"(\d+)', text)
    return int(match.group(1)) if match and (home / "bin" / "java").exists() else 0


def _ask_version(home: Path) -> str:
    try:
        answer = subprocess.run(
            [str(home / "bin" / "java"), "-version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stderr
