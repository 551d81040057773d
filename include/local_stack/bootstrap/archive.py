"""Makes the archive of Spark's classes: a small application loads them, its JVM keeps them at its exit."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cdc.errors import UnavailableError
from local_stack.class_archive import QUIET, ClassArchive
from local_stack.components.spark import SPARK_FLAGS

LIMIT_S = 300.0
TRAINING = Path(__file__).with_name("archive_training.py")


def make_class_archive(archive: ClassArchive, env: Mapping[str, str]) -> None:
    """Make the archive that is missing; nothing when it is there.

    Raises:
        UnavailableError: the application failed, with its last words.
    """
    if archive.file.exists():
        return
    archive.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.folder) as scratch:
        made = Path(scratch) / "made.jsa"
        keeping = (f"-XX:ArchiveClassesAtExit={made}", QUIET)
        home = archive.spark_jars.parent
        values = {
            "JAVA_HOME": str(archive.java_home),
            "SPARK_HOME": str(home),
            "SPARK_CONF_DIR": scratch,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_SUBMIT_OPTS": " ".join([*SPARK_FLAGS, *keeping, "-cp", archive.class_path]),
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_DRIVER_PYTHON": sys.executable,
        }
        inherited = {name: env[name] for name in ("HOME", "LANG", "PATH") if name in env}
        argv = [str(home / "bin" / "spark-submit"), "--master", "local[1]", str(TRAINING), scratch]
        try:
            done = subprocess.run(
                argv, env={**inherited, **values}, cwd=scratch, capture_output=True, text=True,
                timeout=LIMIT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"Spark did not end within {LIMIT_S:.0f} s") from None
        if done.returncode or not made.exists():
            words = [line for line in done.stderr.splitlines() if line.strip()] or ["without a word"]
            raise UnavailableError(f"Spark ended with {done.returncode}: {words[-1]}")
        for old in archive.replaced():
            old.unlink(missing_ok=True)
        made.replace(archive.file)
