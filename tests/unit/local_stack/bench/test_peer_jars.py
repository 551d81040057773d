"""The peers' jars: found in a folder, or told as missing in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_stack.bench.peer_jars import install_peers, peers_folder
from local_stack.bootstrap.jarsets import LOCK_FILE, PEER_SETS, fingerprint, parse_lock
from local_stack.context import REPO


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A plug-in path on which what Maven Central has is installed already."""
    lock = parse_lock(LOCK_FILE.read_text(encoding="utf-8"))
    folder = tmp_path / "home" / "peers"
    (folder / ".installed").mkdir(parents=True)
    for jar_set in PEER_SETS:
        (folder / jar_set.name).mkdir()
        (folder / ".installed" / jar_set.name).write_text(fingerprint(lock[jar_set.name]))
    return folder


@pytest.fixture
def jars(tmp_path: Path) -> Path:
    debezium = tmp_path / "jars" / "connect-plugins" / "debezium-connector-postgres"
    debezium.mkdir(parents=True)
    for name in ("api", "config", "connect-plugins", "connector-common", "connector-postgres", "util"):
        (debezium / f"debezium-{name}-3.7.0.Final.jar").write_bytes(b"")
    return tmp_path / "jars"


def test_a_missing_jar_is_told_in_a_sentence_and_the_other_peer_is_measured(tmp_path, plugins, jars):
    peers = install_peers(tmp_path / "none", plugins, jars, pytest.fail)
    assert (peers.clickhouse, peers.warehouse) == (False, True)
    assert "clickhouse-kafka-connect-*.jar" in peers.missing[0]
    assert "make bench PEERS=" in peers.missing[0]


@pytest.mark.parametrize("folder", ["", "clickhouse-kafka-connect"])
def test_the_jar_is_taken_from_the_folder_or_from_one_in_it(tmp_path, plugins, jars, folder):
    place = tmp_path / "shared" / folder
    place.mkdir(parents=True)
    (place / "clickhouse-kafka-connect-1.5.0.jar").write_bytes(b"jar")
    peers = install_peers(tmp_path / "shared", plugins, jars, pytest.fail)
    assert (peers.clickhouse, peers.missing) == (True, ())
    installed = {path.name for path in (plugins / "peer-clickhouse").iterdir()}
    assert "clickhouse-kafka-connect-1.5.0.jar" in installed
    # Debezium's unwrapping transform comes along, its connector does not.
    assert "debezium-connect-plugins-3.7.0.Final.jar" in installed
    assert "debezium-connector-postgres-3.7.0.Final.jar" not in installed


def test_the_folder_is_named_or_beside_the_checkout():
    assert peers_folder({"PEERS": "/somewhere"}) == Path("/somewhere")
    assert peers_folder({}) == REPO.parent / "shared" / "peers"
