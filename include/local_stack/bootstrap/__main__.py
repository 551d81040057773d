"""`python -m local_stack.bootstrap`: fetch the jars that are missing. With `lock`: resolve them anew."""

from __future__ import annotations

import errno
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cdc.errors import CdcError, ConfigurationError
from local_stack.bootstrap.archive import make_class_archive
from local_stack.bootstrap.install import digest, install_sets, missing_sets
from local_stack.bootstrap.ivy import Ivy
from local_stack.bootstrap.jarsets import (
    JAR_SETS,
    LOCK_FILE,
    PEER_SETS,
    JarSet,
    Lock,
    parse_lock,
    render_lock,
    select,
)
from local_stack.components.spark import class_archive, spark_home
from local_stack.context import Places, environment
from local_stack.java import find_java

console = Console()


def make_ivy(cache: Path) -> Ivy:
    """Spark's Ivy with the Java that the stack runs on."""
    env = environment()
    jars = spark_home() / "jars"
    jar = next(jars.glob("ivy-*.jar"), None)
    if jar is None:
        raise ConfigurationError(f"{jars} has no ivy-*.jar: delete .venv and run `make bootstrap`")
    return Ivy(find_java(env) / "bin" / "java", jar, cache, env)


def install() -> None:
    """Bring `jars/` to what the lock says, then make Spark's class archive; nothing when they are there."""
    places = Places.from_environment(environment())
    install_jars(places)
    archive = class_archive(places.jars, find_java(environment()))
    if not archive.file.exists():
        console.print("making an archive of Spark's classes")
        try:
            make_class_archive(archive, environment())
        except (CdcError, OSError) as error:
            console.print(f"there is none ({error}): everything works, and each Spark job starts more slowly")


def install_jars(places: Places) -> None:
    """Fetch the sets of jars that are missing.

    Raises:
        CdcError: they cannot be fetched.
    """
    lock = parse_lock(LOCK_FILE.read_text(encoding="utf-8"))
    missing = missing_sets(places.jars, lock)
    if not missing:
        return
    columns = (TextColumn("{task.description:<26}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        # Ivy names each file twice: when it is found and when it has arrived
        tasks = {s.name: progress.add_task(s.title, total=2 * len(lock[s.name])) for s in missing}

        def advance(jar_set: JarSet) -> None:
            progress.advance(tasks[jar_set.name])

        install_sets(missing, places.jars, lock, make_ivy(places.jars.parent / "ivy"), advance)
        for task in tasks.values():
            progress.update(task, completed=progress.tasks[task].total)


def resolve() -> None:
    """Resolve every set with its dependencies and write the lock."""
    provided = frozenset(re.sub(r"-\d.*", "", path.name) for path in (spark_home() / "jars").glob("*.jar"))
    lock: Lock = {}
    with tempfile.TemporaryDirectory() as scratch:
        for jar_set in (*JAR_SETS, *PEER_SETS):
            console.print(f"resolving {jar_set.title}")
            target = Path(scratch) / jar_set.name
            resolved = make_ivy(Path(scratch) / "ivy").resolve(jar_set, target, lambda: None)
            lock[jar_set.name] = {
                artifact: digest(target / artifact.file_name)
                for artifact in select(jar_set, resolved, provided)
            }
    LOCK_FILE.write_text(render_lock(lock), encoding="utf-8")
    console.print(f"{LOCK_FILE.name}: {sum(map(len, lock.values()))} artifacts")


def main(argv: list[str]) -> int:
    """Exit code 0, or 1 with one sentence."""
    try:
        resolve() if argv == ["lock"] else install()
    except CdcError as error:
        print(error, file=sys.stderr)  # noqa: T201 - plain, for terminals and logs alike
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print("the disk is full: free about 1 GB and try again", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
