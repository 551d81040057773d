"""Fetch the jars that Spark needs beside its own (the Kafka source) into `CDC_JARS`, when the image is built.

The files and their hashes are those of the local stack's lock; the other sets of jars there belong to
services that have an image of their own.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from local_stack.bootstrap.__main__ import make_ivy
from local_stack.bootstrap.install import install_sets
from local_stack.bootstrap.jarsets import JAR_SETS, LOCK_FILE, parse_lock

NAME = "spark"


def main() -> int:
    """Fetch, check and put into place; returns the exit status."""
    lock = parse_lock(LOCK_FILE.read_text(encoding="utf-8"))
    wanted = [jar_set for jar_set in JAR_SETS if jar_set.name == NAME]
    jars = Path(os.environ["CDC_JARS"])
    with tempfile.TemporaryDirectory() as cache:
        install_sets(wanted, jars, lock, make_ivy(Path(cache)), lambda _: None)
    sys.stdout.write(f"{len(lock[NAME])} jars are in {jars / NAME}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
