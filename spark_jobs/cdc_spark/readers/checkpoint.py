"""What a query's checkpoint says: the offsets that a batch covers, and of which topics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JJavaError
from pydantic import TypeAdapter
from pyspark.sql import SparkSession

from cdc.errors import UnavailableError
from cdc.model.bounds import Offsets
from cdc_spark.readers.offset_ranges import OffsetRange, lost

FIRST = "sources/0/0"
"""Where Spark's Kafka source keeps the offsets at which a new query's first batch begins."""
BEGINNING = "beginning.json"
"""Beside Spark's own: how the query began."""


@dataclass(frozen=True)
class BatchRanges:
    """From where to where a batch reads; a partition that is missing in `start` is new, and begins at 0."""

    start: Offsets
    end: Offsets

    def records(self, topic: str) -> int:
        """At most so many records; transaction markers are among them."""
        start = self.start.get(topic, {})
        return sum(end - start.get(partition, 0) for partition, end in self.end.get(topic, {}).items())

    def total(self) -> int:
        """The records of all topics, at most."""
        return sum(map(self.records, self.end))

    def of(self, topic: str) -> list[OffsetRange]:
        """The ranges of a topic that are not empty.

        Raises:
            GenerationError: a partition ends before it begins, or is gone: its topic was made anew.
        """
        start, end = self.start.get(topic, {}), self.end.get(topic, {})
        for partition, begin in start.items():
            if end.get(partition, -1) < begin:
                now = f"ends at {end[partition]}" if partition in end else "is gone"
                raise lost(f"{topic}[{partition}] was read up to {begin}, and {now}")
        return [
            OffsetRange(partition, start.get(partition, 0), until)
            for partition, until in sorted(end.items())
            if start.get(partition, 0) != until
        ]

    def begins(self, topic: str) -> Mapping[int, int]:
        """Where each partition of a topic begins in this batch."""
        start = self.start.get(topic, {})
        return {partition: start.get(partition, 0) for partition in self.end.get(topic, {})}


@dataclass(frozen=True)
class Beginning:
    """What Spark's own files do not say of a checkpoint.

    Args:
        topic_ids: of the topics whose offsets it has.
        begins: where it begins in them, when it takes the place of another one.
    """

    topic_ids: dict[str, str] = field(default_factory=dict)
    begins: Offsets | None = None


_BEGINNING = TypeAdapter(Beginning)


@dataclass
class OffsetLog:
    """The logs of a checkpoint: a batch's offsets, written before it runs, and its commit.

    Spark's Hadoop file systems read it, so it may lie where the checkpoint may lie; a local file is read
    without them, since each of their calls goes to the JVM and back.
    """

    spark: SparkSession
    checkpoint: str
    _last: tuple[int, Offsets] | None = field(default=None, init=False)

    def ranges(self, batch_id: int) -> BatchRanges:
        """The offsets of a batch.

        Raises:
            UnavailableError: the log cannot be read.
        """
        end = self._read(f"offsets/{batch_id}")
        if self._last is not None and self._last[0] == batch_id - 1:
            start: Offsets | None = self._last[1]
        else:
            start = self._read(f"offsets/{batch_id - 1}" if batch_id else FIRST)
        if start is None or end is None:
            raise UnavailableError(
                f"{self.checkpoint} does not say which offsets batch {batch_id} has: the file system of the "
                "checkpoints does not answer, or files of its folders `offsets` and `sources` were removed"
            )
        self._last = (batch_id, end)
        return BatchRanges(start, end)

    def committed(self) -> tuple[int, Offsets] | None:
        """The last batch that Spark has committed, and up to where it has read."""
        for batch_id in sorted(
            (int(name) for name in self._names("commits") if name.isdigit()), reverse=True
        ):
            until = self._read(f"offsets/{batch_id}")
            if until is not None:
                return batch_id, until
        return None

    def ended(self) -> Offsets | None:
        """Up to where the query has read; where it begins while no batch is committed; None of a new one."""
        committed = self.committed()
        return self._read(FIRST) if committed is None else committed[1]

    def planned(self) -> Offsets | None:
        """Up to where a batch was to read that was not committed; None when there is none."""
        newest = max((int(name) for name in self._names("offsets") if name.isdigit()), default=-1)
        committed = self.committed()
        return (
            self._read(f"offsets/{newest}") if newest > (-1 if committed is None else committed[0]) else None
        )

    def beginning(self) -> Beginning:
        """What was kept of how the query began; nothing is known of one that never did."""
        try:
            return _BEGINNING.validate_json(self._text(BEGINNING) or "{}")
        except ValueError:
            return Beginning()  # a driver died while it wrote it

    def keep_beginning(self, beginning: Beginning) -> None:
        """Write it, before the query reads."""
        with self._changing("written"):
            self._write(f"{self.checkpoint}/{BEGINNING}", _BEGINNING.dump_json(beginning))

    def replace(self, beginning: Beginning) -> str:
        """Rename the whole folder, and put one in its place with nothing but how it begins.

        Returns:
            The old folder's new name.
        """
        kept = f"{self.checkpoint}.until-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        with self._changing("set aside"):
            self._write(f"{self._next}/{BEGINNING}", _BEGINNING.dump_json(beginning))
            self._rename(self.checkpoint, kept)
            self._rename(self._next, self.checkpoint)
        self._last = None
        return kept

    def finish_replacing(self) -> None:
        """Do what a driver that died while it replaced a checkpoint has left undone."""
        with self._changing("set aside"):
            system, following = self._hadoop(self._next)
            if not system.exists(following):
                return
            if system.exists(self._hadoop(self.checkpoint)[1]):
                system.delete(following, True)  # the old one is still there, and is judged anew
            else:
                self._rename(self._next, self.checkpoint)

    @property
    def _next(self) -> str:
        return f"{self.checkpoint}.next"

    @contextmanager
    def _changing(self, what: str) -> Iterator[None]:
        try:
            yield
        except Py4JJavaError as error:
            raise UnavailableError(f"{self.checkpoint} cannot be {what}: {error.java_exception}") from error

    def _write(self, name: str, data: bytes) -> None:
        system, path = self._hadoop(name)
        stream = system.create(path, True)
        try:
            stream.write(bytearray(data))
        finally:
            stream.close()

    def _rename(self, old: str, new: str) -> None:
        system, path = self._hadoop(old)
        if not system.rename(path, self._hadoop(new)[1]):
            raise UnavailableError(f"{old} cannot be renamed to {new}: is that there already?")

    @cached_property
    def _local_folder(self) -> Path | None:
        system, path = self._hadoop(self.checkpoint)
        return Path(path.toUri().getPath()) if system.getScheme() == "file" else None

    def _hadoop(self, name: str) -> tuple[Any, Any]:
        """The Hadoop file system of a file or folder, and its path there."""
        context = self.spark.sparkContext
        jvm: Any = context._jvm  # noqa: SLF001 the only way to Hadoop's file systems
        path = jvm.org.apache.hadoop.fs.Path(name)
        return path.getFileSystem(context._jsc.hadoopConfiguration()), path  # noqa: SLF001

    def _read(self, name: str) -> Offsets | None:
        text = self._text(name)
        return None if text is None else parse_offset_log(text)

    def _names(self, folder: str) -> list[str]:
        if self._local_folder is not None:
            try:
                return [path.name for path in (self._local_folder / folder).iterdir()]
            except OSError as error:
                self._check_missing(folder, error)
                return []
        try:
            system, path = self._hadoop(f"{self.checkpoint}/{folder}")
            return [str(status.getPath().getName()) for status in system.listStatus(path)]
        except Py4JJavaError as error:
            self._check_missing(folder, error)
            return []

    def _text(self, name: str) -> str | None:
        if self._local_folder is not None:
            try:
                return (self._local_folder / name).read_text("utf-8")
            except OSError as error:
                self._check_missing(name, error)
                return None
        jvm: Any = self.spark.sparkContext._jvm  # noqa: SLF001
        try:
            system, path = self._hadoop(f"{self.checkpoint}/{name}")
            stream = system.open(path)
            try:
                return str(jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
            finally:
                stream.close()
        except Py4JJavaError as error:
            self._check_missing(name, error)
            return None

    def _check_missing(self, name: str, error: OSError | Py4JJavaError) -> None:
        """A file that is not there is nothing; one that cannot be read is no reason to begin anew."""
        cause: Any = error
        if isinstance(error, Py4JJavaError):
            gateway: Any = self.spark.sparkContext._gateway  # noqa: SLF001
            cause = error.java_exception
            missing = is_instance_of(gateway, cause, "java.io.FileNotFoundException")
        else:
            missing = isinstance(error, FileNotFoundError)
        if not missing:
            raise UnavailableError(f"{self.checkpoint}/{name} cannot be read: {cause}") from error


def parse_offset_log(text: str) -> Offsets | None:
    """One entry of the log: a version, the batch's metadata, then one line for each source; ours has one.

    Where the first batch begins is kept alike, without the metadata.
    """
    lines = text.strip().splitlines()
    try:
        document = json.loads(lines[-1])
        return {topic: {int(p): int(o) for p, o in parts.items()} for topic, parts in document.items()}
    except (ValueError, IndexError, AttributeError, TypeError):
        return None
