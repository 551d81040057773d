"""Which archive of Spark's classes belongs to an installation, and what a JVM is told of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from local_stack.class_archive import ClassArchive


@pytest.fixture
def archive(tmp_path: Path) -> ClassArchive:
    jars, java = tmp_path / "jars", tmp_path / "java"
    jars.mkdir()
    (jars / "spark.jar").write_bytes(b"1")
    java.mkdir()
    (java / "release").write_text('JAVA_VERSION="17.0.15"')
    return ClassArchive(jars, java, tmp_path / "archives")


def test_without_an_archive_a_jvm_gets_no_options(archive: ClassArchive) -> None:
    assert archive.options == ()


def test_with_one_it_is_used_where_it_can_be(archive: ClassArchive) -> None:
    archive.folder.mkdir()
    archive.file.touch()
    assert archive.options[:2] == (f"-XX:SharedArchiveFile={archive.file}", "-Xshare:auto")


@pytest.mark.parametrize("changed", ["jar", "java", "folder"])
def test_what_an_archive_was_not_made_of_has_another_one(archive: ClassArchive, changed: str) -> None:
    before = archive.file
    if changed == "jar":
        (archive.spark_jars / "spark.jar").write_bytes(b"22")
    elif changed == "java":
        (archive.java_home / "release").write_text('JAVA_VERSION="17.0.16"')
    else:
        moved = archive.spark_jars.rename(archive.spark_jars.with_name("moved"))
        archive = replace(archive, spark_jars=moved)
    assert archive.file != before


def test_a_link_to_the_jars_is_followed_as_a_jvm_compares_paths_by_their_text(
    archive: ClassArchive, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(archive.spark_jars)
    linked = replace(archive, spark_jars=tmp_path / "link")
    assert (linked.class_path, linked.file) == (archive.class_path, archive.file)


def test_a_new_one_replaces_those_of_the_same_jars_and_no_others(
    archive: ClassArchive, tmp_path: Path
) -> None:
    other = replace(archive, spark_jars=tmp_path / "other")
    other.spark_jars.mkdir()
    archive.folder.mkdir()
    for file in (archive.file, other.file):
        file.touch()
    before = archive.file
    (archive.java_home / "release").write_text('JAVA_VERSION="17.0.16"')
    assert archive.replaced() == [before]
