"""Which jars the stack needs: what is asked for, and the lock that says what it comes to.

`jars.lock` is what `make lock` resolved: a line for each artifact with its SHA-256. Installing from it asks
the repository for exactly these files, and no metadata, so it is quick and gives the same bytes everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cdc.errors import ConfigurationError

LOCK_FILE = Path(__file__).with_name("jars.lock")


@dataclass(frozen=True, order=True)
class Artifact:
    """One file of a Maven repository."""

    organisation: str
    module: str
    revision: str
    classifier: str = ""
    extension: str = "jar"

    @property
    def file_name(self) -> str:
        """The name that Maven gives it."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.module}-{self.revision}{classifier}.{self.extension}"

    def render(self) -> str:
        """`organisation:module:revision[:classifier][@extension]`."""
        classifier = f":{self.classifier}" if self.classifier else ""
        extension = f"@{self.extension}" if self.extension != "jar" else ""
        return f"{self.organisation}:{self.module}:{self.revision}{classifier}{extension}"

    @classmethod
    def parse(cls, text: str) -> Artifact:
        """Read what `render` wrote."""
        coordinates, _, extension = text.partition("@")
        organisation, module, revision, classifier = (*coordinates.split(":"), "")[:4]
        return cls(organisation, module, revision, classifier, extension or "jar")


@dataclass(frozen=True)
class JarSet:
    """A folder of jars.

    Attributes:
        roots: what is asked for; their dependencies follow.
        overrides: put in place of, or beside, what the dependencies say.
        transitive: whether dependencies are wanted at all.
    """

    name: str
    title: str
    roots: tuple[Artifact, ...]
    overrides: tuple[Artifact, ...] = ()
    transitive: bool = True


JAR_SETS = (
    JarSet(
        "kafka",
        "Kafka and Kafka Connect",
        (
            Artifact("org.apache.kafka", "kafka_2.13", "4.3.1"),
            Artifact("org.apache.kafka", "connect-runtime", "4.3.1"),
            Artifact("org.apache.kafka", "kafka-tools", "4.3.1"),
        ),
        # Kafka logs through slf4j and ships a binding only in its tarball
        overrides=(Artifact("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"),),
    ),
    JarSet(
        "connect-plugins",
        "Debezium",
        (Artifact("io.debezium", "debezium-connector-postgres", "3.7.0.Final", "plugin", "tar.gz"),),
        transitive=False,
    ),
    JarSet(
        "hadoop",
        "Hadoop YARN",
        (Artifact("org.apache.hadoop", "hadoop-minicluster", "3.4.1"),),
        # with another one the NodeManager dies with a missing class
        overrides=(Artifact("com.fasterxml.jackson.core", "jackson-core", "2.12.7"),),
    ),
    JarSet(
        "spark",
        "Spark's Kafka source",
        (Artifact("org.apache.spark", "spark-sql-kafka-0-10_2.13", "4.2.0"),),
    ),
)

PEER_SETS = (
    JarSet(
        "peer-jdbc",
        "Debezium's JDBC sink",
        (Artifact("io.debezium", "debezium-connector-jdbc", "3.6.0.Final", "plugin", "tar.gz"),),
        transitive=False,
    ),
    JarSet(
        "peer-clickhouse",
        "what the ClickHouse Kafka Connect sink depends on",
        (
            Artifact("com.clickhouse", "clickhouse-client", "0.9.5"),
            Artifact("com.clickhouse", "clickhouse-http-client", "0.9.5"),
            Artifact("com.clickhouse", "clickhouse-data", "0.9.5"),
            Artifact("com.clickhouse", "client-v2", "0.9.5"),
            Artifact("com.google.code.gson", "gson", "2.13.1"),
            Artifact("org.apache.httpcomponents.client5", "httpclient5", "5.5.1"),
            Artifact("com.fasterxml.jackson.core", "jackson-databind", "2.21.2"),
        ),
    ),
)
"""What `make bench` measures against; nothing else needs it."""

Lock = dict[str, dict[Artifact, str]]


def select(jar_set: JarSet, resolved: Iterable[Artifact], provided: frozenset[str]) -> list[Artifact]:
    """What belongs in the folder: the resolved artifacts without what Spark has or other platforms need."""
    overridden = {(artifact.organisation, artifact.module) for artifact in jar_set.overrides}
    kept = {
        artifact
        for artifact in resolved
        if (artifact.organisation, artifact.module) not in overridden
        and not artifact.classifier.startswith(("osx-", "linux-aarch_64"))
        and not (jar_set.name == "spark" and artifact.module in provided)
    }
    return sorted(kept | set(jar_set.overrides))


def render_lock(lock: Lock) -> str:
    """One line for each artifact: set, coordinates, SHA-256."""
    lines = ["# The jars of the local stack, as `make lock` resolved them: set, artifact, SHA-256."]
    lines += [
        f"{name} {artifact.render()} {digest}"
        for name, files in lock.items()
        for artifact, digest in files.items()
    ]
    return "\n".join(lines) + "\n"


def parse_lock(text: str) -> Lock:
    """Read what `render_lock` wrote.

    Raises:
        ConfigurationError: for a line that is none.
    """
    lock: Lock = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        words = line.split()
        if len(words) != 3:
            raise ConfigurationError(
                f"jars.lock:{number}: {line!r} is not `set artifact sha256`; run `make lock`"
            )
        lock.setdefault(words[0], {})[Artifact.parse(words[1])] = words[2]
    return lock


def fingerprint(files: dict[Artifact, str]) -> str:
    """Changes when anything in the set changes; written beside an installed set."""
    return hashlib.sha256(render_lock({"": files}).encode()).hexdigest()


def find_damage(files: dict[Artifact, str], folder: Path, digest: Callable[[Path], str]) -> list[str]:
    """Names of files that are missing or have other bytes than the lock says."""
    names = {artifact.file_name: expected for artifact, expected in files.items()}
    return [name for name, expected in names.items() if digest(folder / name) != expected]
