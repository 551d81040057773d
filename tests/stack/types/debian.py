"""Debian's PostgreSQL, which has what the embedded one is built without."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stack.cdc.conftest import Postgres

PACKAGE = "postgresql"


def programs() -> Path | None:
    """The folder of the newest one's programs, None when it is not installed."""
    found = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()]
    return max(found, key=lambda folder: int(folder.parent.name), default=None)


@contextmanager
def debian_postgres() -> Iterator[Postgres]:
    """A throw-away server of it.

    Raises:
        FileNotFoundError: it is not installed.
    """
    installed = programs()
    if installed is None:
        raise FileNotFoundError(f"Debian's PostgreSQL is not installed: apt-get install {PACKAGE}")
    folder = Path(tempfile.mkdtemp(prefix="debian-postgres-", dir="/tmp"))
    server = Postgres(folder, installed)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
