"""Spark's classes, read and checked once and then mapped into each of its JVMs.

Two thirds of what a small Spark application takes to start is the JVM reading the same classes out of the
same jars. Java keeps them in an archive when it is asked to (application class data sharing); `make
bootstrap` makes one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

# A JVM that finds its archive unusable says so and goes on without it; nobody can do anything about it then.
QUIET = "-Xlog:cds=off,cds+dynamic=off"


@dataclass(frozen=True)
class ClassArchive:
    """The archive for these jars and this Java.

    Attributes:
        spark_jars: the folder of jars that pyspark brings.
        java_home: of the Java that makes and reads the archive.
        folder: where archives are kept.
    """

    spark_jars: Path
    java_home: Path
    folder: Path

    @property
    def class_path(self) -> str:
        """What a JVM's class path must begin with so that it can use the archive."""
        return f"{self.spark_jars.resolve()}/*"

    @property
    def file(self) -> Path:
        """Named after where the jars are, and after all that makes an archive unusable when it changes."""
        release = self.java_home / "release"
        jars = sorted(self.spark_jars.resolve().glob("*.jar"))
        made_of = [
            str(self.java_home.resolve()),
            release.read_text(encoding="utf-8") if release.exists() else "",
            *(f"{jar} {jar.stat().st_size} {jar.stat().st_mtime_ns}" for jar in jars),
        ]
        return self.folder / f"{self._prefix}{_digest(made_of)}.jsa"

    def replaced(self) -> list[Path]:
        """Archives of these jars and another Java, or of other jars in their place; not of other folders."""
        return [old for old in self.folder.glob(f"{self._prefix}*.jsa") if old != self.file]

    @property
    def _prefix(self) -> str:
        return f"spark-{_digest([str(self.spark_jars.resolve())])}-"

    @property
    def options(self) -> tuple[str, ...]:
        """Options of a JVM that uses the archive; none where there is no archive."""
        file = self.file
        return (f"-XX:SharedArchiveFile={file}", "-Xshare:auto", QUIET) if file.exists() else ()


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
