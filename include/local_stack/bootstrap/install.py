"""Installs the jar sets: fetched beside, checked against the lock, moved into place in one step."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from cdc.errors import UnavailableError
from local_stack.bootstrap.ivy import Ivy
from local_stack.bootstrap.jarsets import JAR_SETS, Artifact, JarSet, Lock, find_damage, fingerprint
from local_stack.envfile import write_atomically

ATTEMPTS = 3

Advance = Callable[[JarSet], None]


def missing_sets(jars: Path, lock: Lock, jar_sets: Sequence[JarSet] = JAR_SETS) -> list[JarSet]:
    """The sets that are not installed as the lock says."""
    return [s for s in jar_sets if _read(_marker(jars, s)) != fingerprint(lock.get(s.name, {}))]


def install_sets(jar_sets: list[JarSet], jars: Path, lock: Lock, ivy: Ivy, advance: Advance) -> None:
    """Fetch and install sets, all at the same time: what takes long is waiting for the network.

    Raises:
        UnavailableError: when the repository does not answer, after some attempts.
        ConfigurationError: when the disk is full.
    """
    with _alone(jars), ThreadPoolExecutor(max_workers=len(jar_sets) or 1) as pool:
        jobs = [
            pool.submit(_install, jar_set, jars, lock[jar_set.name], ivy, advance) for jar_set in jar_sets
        ]
        for job in jobs:
            job.result()


def _install(jar_set: JarSet, jars: Path, files: dict[Artifact, str], ivy: Ivy, advance: Advance) -> None:
    scratch = jars / f".new-{jar_set.name}"
    for attempt in Retrying(
        retry=retry_if_exception_type(UnavailableError),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=2, max=10),
        reraise=True,
    ):
        with attempt:
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            ivy.fetch(jar_set.name, files, scratch, lambda: advance(jar_set))
            _check(jar_set, files, scratch, ivy)
    for archive in scratch.glob("*.tar.gz"):
        with tarfile.open(archive) as content:
            # The documented form that works in 3.11.0 to 3.11.3 as well, which have no `filter` argument.
            content.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
            content.extractall(scratch)  # noqa: S202 - the digests of what is in it were checked
        archive.unlink()
    _swap(scratch, jars / jar_set.name)
    write_atomically(_marker(jars, jar_set), fingerprint(files))


def _check(jar_set: JarSet, files: dict[Artifact, str], folder: Path, ivy: Ivy) -> None:
    damaged = find_damage(files, folder, digest)
    if damaged:
        shutil.rmtree(ivy.cache / jar_set.name, ignore_errors=True)  # or the same bytes come from there again
        raise UnavailableError(
            f"{', '.join(damaged)} did not arrive as jars.lock says: try again; if it stays so, something "
            "between here and the Maven repository changes files"
        )


def _swap(new: Path, place: Path) -> None:
    old = new.with_name(f".old-{place.name}")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def digest(path: Path) -> str:
    """SHA-256 of a file in hex, "" when there is none."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def _marker(jars: Path, jar_set: JarSet) -> Path:
    return jars / ".installed" / jar_set.name


def _read(path: Path) -> str:
    return path.read_text(encoding="ascii") if path.exists() else ""


@contextmanager
def _alone(jars: Path) -> Iterator[None]:
    jars.mkdir(parents=True, exist_ok=True)
    with (jars / f".lock-{os.getuid()}").open("w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
