"""Write `.env` for docker-compose.yaml: every key of `.env.example` with a random value.

Runs on the host with nothing but Python's standard library. An existing `.env` keeps its values and gets
only the keys that it lacks, so running it again after an upgrade is safe.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def random_value(key: str) -> str:
    """A secret in the form that its reader asks for, without any character that a URL would have to quote."""
    if key == "AIRFLOW_FERNET_KEY":
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(32 if key.endswith("_SECRET") else 16)


def values_of(lines: Iterable[str]) -> dict[str, str]:
    """The `KEY=VALUE` lines that have a value."""
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {key.strip(): value.strip() for key, value in pairs if value.strip()}


def fill(template: Iterable[str], known: dict[str, str]) -> Iterator[str]:
    """The template's lines with a value for each key, then what was known beside them."""
    seen = set()
    for line in template:
        key, separator, _ = line.partition("=")
        if line.startswith("#") or not separator:
            yield line
            continue
        seen.add(key)
        yield f"{key}={known.get(key) or random_value(key)}"
    yield from (f"{key}={value}" for key, value in known.items() if key not in seen)


def main(repository: Path = REPOSITORY) -> int:
    """Write the file; returns the exit status."""
    template = (repository / ".env.example").read_text(encoding="utf-8").splitlines()
    target = repository / ".env"
    known = values_of(target.read_text(encoding="utf-8").splitlines()) if target.exists() else {}
    scratch = target.with_name(".env.new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(
        os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write("\n".join(fill(template, known)) + "\n")
    scratch.replace(target)
    kept = len(known)
    sys.stdout.write(f"{target.name} is written ({kept} values kept); it is a secret and is not in git\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
