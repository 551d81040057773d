"""What every sink's writer shares: the batch it gets, and the function that `mapInArrow` runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from cdc.errors import (
    CdcError,
    DataError,
    RefusedError,
    SchemaChangedError,
    TransientError,
    UnsupportedSourceError,
)
from cdc.model.floors import Floor, floor_of
from cdc_spark.schemas.rows import Operation
from cdc_spark.transformations.lookups import StoredRows
from cdc_spark.writers.refused import MAX_REFUSED, Refused
from cdc_spark.writers.summary import MAX_EXAMPLES, Summary

MAX_ROWS = 200_000
"""Rows of one insert; a larger Spark partition is written in several."""
MAX_BYTES = 16_000_000
"""The same by their size in memory, of which an insert takes several times as much."""

_OF_THE_TABLE = (SchemaChangedError.__name__, RefusedError.__name__)
"""Errors that, met by every event at once, speak of the table rather than of an event."""
_MARKERS = pa.array([Operation.TRUNCATE, Operation.BAD, Operation.SEEN], pa.string())
_OF_THE_SOURCE = (SchemaChangedError.__name__, DataError.__name__)
"""Errors that a change of the source's table may explain."""


@dataclass(frozen=True)
class SinkBatch:
    """Rows of one table from one Spark partition.

    Attributes:
        rows: source columns, derived ones, then `schemas.rows.LINEAGE_FIELDS`.
        floors: what the truncates set.
        until: for each Kafka partition, the offset after the last record; empty while more rows follow.
    """

    topic: str
    rows: pa.Table
    floors: frozenset[Floor] = frozenset()
    until: dict[int, int] = field(default_factory=dict)


class TableWriter(ABC):
    """Writes one table into one sink; made on the driver, pickled, run on executors.

    Args:
        deadline_s: how long one attempt may take; shorter than the query's lease, so that an owner that
            lost the lease has no write under way.
    """

    deadline_s: float = 20.0

    @abstractmethod
    def write(self, batch: SinkBatch) -> None:
        """Write a batch; writing it again changes nothing.

        Raises:
            TransientError: worth another attempt.
            RefusedError: the sink does not take at least one of the rows.
            TerminalError: a person has to change something.
        """

    @abstractmethod
    def write_in_pieces(self, batch: SinkBatch, limit: int) -> Refused:
        """Write a batch that the sink refused, but for the rows that it does not take.

        Args:
            batch: the batch.
            limit: the most rows to find one by one.

        Raises:
            CdcError: as `write`, for another reason than a row.
        """

    @abstractmethod
    def newest(self, keys: pa.Table) -> StoredRows:
        """The newest row of each of these keys, a tombstone too, in the types of `schemas.row_schema`.

        Raises:
            TransientError: worth another attempt.
            TerminalError: a person has to change something.
        """


def retrying(deadline_s: float) -> Retrying:
    """A few attempts within the deadline; longer outages are the driver's to wait for."""
    return Retrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_delay(deadline_s / 4),
        wait=wait_exponential_jitter(multiplier=0.1, max=2.0),
        reraise=True,
    )


def write_function(
    writer: TableWriter, topic: str
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Rows and markers of one Spark partition → the sink, and one summary."""

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        collector = _Collector(writer, topic)
        try:
            for batch in batches:
                collector.add(batch)
            collector.finish()
        except CdcError as error:
            collector.summary.failure = (type(error).__name__, str(error))
            for _ in batches:  # a worker that leaves input unread cannot be used again
                pass
        if collector.summary.events or collector.summary.failure:
            yield pa.RecordBatch.from_pydict({"summary": [collector.summary.to_json()]})

    return write


def named(
    names: Sequence[str], function: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Give batches their columns' names, which Spark must not see: it takes a dot or a backtick as syntax."""

    def renamed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return function(batch.rename_columns(list(names)) for batch in batches)

    return renamed


class _Collector:
    """Gathers rows until an insert is worth it, and counts."""

    def __init__(self, writer: TableWriter, topic: str) -> None:
        self.summary = Summary()
        self._writer = writer
        self._topic = topic
        self._pending: list[pa.RecordBatch] = []
        self._floors: set[Floor] = set()

    def add(self, batch: pa.RecordBatch) -> None:
        marks = pc.is_in(batch.column("_op"), _MARKERS)
        rows = batch.filter(pc.invert(marks))
        if rows.num_rows < batch.num_rows:
            self._read_markers(batch.filter(marks))
        if rows.num_rows:
            self._pending.append(rows)
        if self._is_enough():
            self._flush({})

    def finish(self) -> None:
        if self._pending or self._floors or self.summary.until:
            self._flush(self.summary.until)

    def _is_enough(self) -> bool:
        rows: int = sum(part.num_rows for part in self._pending)
        size: int = sum(part.nbytes for part in self._pending)
        return rows >= MAX_ROWS or size >= MAX_BYTES

    def _flush(self, until: dict[int, int]) -> None:
        if not self._pending and not self._floors:
            return
        rows = pa.Table.from_batches(self._pending) if self._pending else pa.table({})
        batch = SinkBatch(self._topic, rows, frozenset(self._floors), until)
        for attempt in retrying(self._writer.deadline_s):
            with attempt:
                refused = self._write(batch)
        self._pending, self._floors = [], set()
        if not rows.num_rows:
            return
        if refused is not None:
            self._refuse(rows, refused)
            rows = rows.filter(pa.array([position not in refused for position in range(rows.num_rows)]))
        self._count(rows)

    def _write(self, batch: SinkBatch) -> Refused | None:
        try:
            self._writer.write(batch)
        except RefusedError:
            return self._writer.write_in_pieces(batch, MAX_REFUSED - len(self.summary.refused))
        return None

    def _refuse(self, rows: pa.Table, refused: Refused) -> None:
        partitions, offsets = rows["_partition"].to_pylist(), rows["_offset"].to_pylist()
        for position, message in refused.reasons.items():
            place = partitions[position], offsets[position]
            self._bad(*place, {"error": RefusedError.__name__, "message": message})
            self.summary.refused.append((*place, message))
        for position in refused.others:
            note = {"error": RefusedError.__name__, "message": "more rows than are told one by one"}
            self._bad(partitions[position], offsets[position], note)
            self.summary.swamped = True

    def _count(self, rows: pa.Table) -> None:
        counts = {
            entry["values"]: entry["counts"] for entry in pc.value_counts(rows.column("_op")).to_pylist()
        }
        self.summary.inserted += counts.get("c", 0) + counts.get("r", 0)
        self.summary.updated += counts.get("u", 0)
        self.summary.deleted += counts.get("d", 0)
        latest = pc.max(rows.column("_source_ts").cast(pa.int64())).as_py()
        if latest is not None:
            self.summary.max_source_ts = max(self.summary.max_source_ts or 0, latest)

    def _read_markers(self, markers: pa.RecordBatch) -> None:
        names = ["_op", "_version", "_lsn", "_partition", "_offset", "_note"]
        for marker in markers.select(names).to_pylist():
            if marker["_op"] == Operation.TRUNCATE:
                self.summary.truncates += 1
                floor = floor_of(marker["_version"], marker["_lsn"])
                self._floors.add(floor)
                self.summary.floors.append(list(floor))
            elif marker["_op"] == Operation.BAD:
                self._bad(marker["_partition"], marker["_offset"], orjson.loads(marker["_note"]))
            else:
                seen = orjson.loads(marker["_note"])
                self.summary.events += seen["events"]
                self.summary.tombstones += seen["tombstones"]
                self.summary.parked += seen["parked"]
                self.summary.superseded += seen["superseded"]
                self.summary.until |= {int(partition): offset for partition, offset in seen["until"].items()}

    def _bad(self, partition: int, offset: int, note: dict[str, Any]) -> None:
        self.summary.bad += 1
        self.summary.unlike += note["error"] in _OF_THE_TABLE
        self.summary.reshaped += note["error"] in _OF_THE_SOURCE
        self.summary.unknown = sorted({*self.summary.unknown, *note.get("unknown", ())})
        self.summary.uncapturable += note["error"] == UnsupportedSourceError.__name__
        if note.get("late"):
            self.summary.late.append((partition, offset, note["error"], note["message"]))
        self.summary.bad_from[partition] = min(self.summary.bad_from.get(partition, offset), offset)
        if len(self.summary.examples) < MAX_EXAMPLES:
            self.summary.examples.append(f"{note['error']}: {note['message']}")
