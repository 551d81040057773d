"""Where the peers' jars come from: Maven Central, and a folder for the one that is not there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local_stack.bootstrap.__main__ import make_ivy
from local_stack.bootstrap.install import install_sets, missing_sets
from local_stack.bootstrap.jarsets import LOCK_FILE, PEER_SETS, parse_lock
from local_stack.context import REPO

VARIABLE = "PEERS"
CLICKHOUSE_JAR = "clickhouse-kafka-connect-*.jar"
_UNWRAP = ("connect-plugins", "connector-common", "api", "config", "util")
"""Debezium's modules that its unwrapping transform needs beside a sink."""


@dataclass(frozen=True)
class Peers:
    """Which peers can be measured; `missing` says in a sentence each why one cannot."""

    clickhouse: bool
    warehouse: bool
    missing: tuple[str, ...]


def peers_folder(env: Mapping[str, str]) -> Path:
    """`PEERS`, else `shared/peers` beside the checkout."""
    return Path(env.get(VARIABLE) or REPO.parent / "shared" / "peers").absolute()


def install_peers(folder: Path, plugins: Path, jars: Path, say: Callable[[str], None]) -> Peers:
    """Put the peers' plug-ins into `plugins`.

    Args:
        folder: has the ClickHouse sink's jar, or `clickhouse-kafka-connect/` with it.
        plugins: the plug-in path of the peers' worker.
        jars: the jars of the local stack, for Debezium's transform.
        say: told what is fetched.

    Raises:
        UnavailableError: Maven Central does not answer.
    """
    lock = parse_lock(LOCK_FILE.read_text(encoding="utf-8"))
    wanted = missing_sets(plugins, lock, PEER_SETS)
    if wanted:
        say(f"fetching the peers' jars: {', '.join(jar_set.title for jar_set in wanted)}")
        install_sets(wanted, plugins, lock, make_ivy(plugins.parent / "ivy"), lambda _: None)
    found = sorted([*folder.glob(CLICKHOUSE_JAR), *folder.glob(f"*/{CLICKHOUSE_JAR}")])
    target = plugins / "peer-clickhouse"
    if not found:
        sentence = (
            f"the ClickHouse Kafka Connect sink is not measured: {folder} has no {CLICKHOUSE_JAR}; "
            f"`make bench {VARIABLE}=<folder>` names the folder that has it"
        )
        return Peers(clickhouse=False, warehouse=True, missing=(sentence,))
    shutil.copy(found[-1], target)
    for jar in (jars / "connect-plugins").glob("*/debezium-*.jar"):
        if any(jar.name.startswith(f"debezium-{part}-") for part in _UNWRAP):
            shutil.copy(jar, target)
    return Peers(clickhouse=True, warehouse=True, missing=())
