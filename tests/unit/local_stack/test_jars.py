"""The jars: what is locked, how Ivy is asked, and what its failures are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdc.errors import ConfigurationError, UnavailableError
from local_stack.bootstrap import install
from local_stack.bootstrap.ivy import explain_failure, proxy_options, read_report, render_module
from local_stack.bootstrap.jarsets import (
    JAR_SETS,
    LOCK_FILE,
    PEER_SETS,
    Artifact,
    JarSet,
    fingerprint,
    parse_lock,
    render_lock,
    select,
)

TESTS_JAR = Artifact("org.apache.hadoop", "hadoop-common", "3.4.1", "tests")
MAIN_JAR = Artifact("org.apache.hadoop", "hadoop-common", "3.4.1")


class TestLock:
    def test_it_has_every_root_and_override_with_a_digest(self) -> None:
        lock = parse_lock(LOCK_FILE.read_text())
        for jar_set in (*JAR_SETS, *PEER_SETS):
            for artifact in (*jar_set.roots, *jar_set.overrides):
                assert len(lock[jar_set.name][artifact]) == 64, artifact

    def test_it_reads_what_it_writes(self) -> None:
        text = LOCK_FILE.read_text()
        assert render_lock(parse_lock(text)) == text

    def test_no_two_files_of_a_set_overwrite_each_other(self) -> None:
        for files in parse_lock(LOCK_FILE.read_text()).values():
            names = [artifact.file_name for artifact in files]
            assert len(set(names)) == len(names)

    def test_a_damaged_line_is_named(self) -> None:
        with pytest.raises(ConfigurationError, match=r"jars\.lock:2: 'kafka x' is not"):
            parse_lock("# comment\nkafka x\n")

    def test_the_platform_s_own_versions_are_in_it(self) -> None:
        hadoop = {
            artifact.module: artifact.revision for artifact in parse_lock(LOCK_FILE.read_text())["hadoop"]
        }
        assert hadoop["jackson-core"] == "2.12.7"


class TestSelect:
    def test_other_platforms_and_what_spark_has_are_left_out(self) -> None:
        spark = JarSet("spark", "Spark", (), overrides=(Artifact("o", "pinned", "2"),))
        resolved = [
            Artifact("o", "pinned", "1"),
            Artifact("o", "scala-library", "2.13"),
            Artifact("o", "netty", "4", "osx-x86_64"),
            Artifact("o", "netty", "4", "linux-x86_64"),
        ]
        assert select(spark, resolved, frozenset({"scala-library"})) == [
            Artifact("o", "netty", "4", "linux-x86_64"),
            Artifact("o", "pinned", "2"),
        ]


class TestIvy:
    def test_two_files_of_a_module_are_one_dependency(self) -> None:
        module = render_module("hadoop", [MAIN_JAR, TESTS_JAR], transitive=False)
        assert module.count("<dependency ") == 1
        assert module.count("<artifact ") == 2
        assert 'm:classifier="tests"' in module

    def test_evicted_revisions_are_not_read(self) -> None:
        report = (
            '<ivy-report><module organisation="o" name="m">'
            '<revision name="1" evicted="latest"><artifact name="m"/></revision>'
            '<revision name="2"><artifact name="m" ext="jar" extra-1.m.classifier="tests"/></revision>'
            "</module></ivy-report>"
        )
        assert list(read_report(report)) == [Artifact("o", "m", "2", "tests")]

    def test_failures_are_sentences(self) -> None:
        full = explain_failure("kafka", "java.io.IOException: No space left on device")
        assert isinstance(full, ConfigurationError)
        assert "disk is full" in str(full)
        offline = explain_failure("kafka", "SERVER ERROR: x\n:: o#m;1: not found")
        assert isinstance(offline, UnavailableError)
        assert "check the network" in str(offline)
        assert "has no o#m;1" in str(explain_failure("kafka", "\t\t:: o#m;1: not found"))

    def test_a_proxy_is_told_to_java(self) -> None:
        assert proxy_options({"HTTPS_PROXY": "http://proxy.example:8080"}) == (
            "-Dhttps.proxyHost=proxy.example",
            "-Dhttps.proxyPort=8080",
        )
        assert proxy_options({}) == ()


class TestInstalled:
    def test_a_set_counts_only_when_it_is_what_the_lock_says(self, tmp_path: Path) -> None:
        lock = {jar_set.name: {MAIN_JAR: "0" * 64} for jar_set in JAR_SETS}
        assert install.missing_sets(tmp_path, lock) == list(JAR_SETS)
        (tmp_path / ".installed").mkdir()
        for jar_set in JAR_SETS:
            (tmp_path / ".installed" / jar_set.name).write_text(fingerprint(lock[jar_set.name]))
        assert install.missing_sets(tmp_path, lock) == []
        lock["kafka"] = {TESTS_JAR: "0" * 64}
        assert [jar_set.name for jar_set in install.missing_sets(tmp_path, lock)] == ["kafka"]
