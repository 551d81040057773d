"""Capture: the connector with its snapshots, and the topic that it writes to."""

from __future__ import annotations

from typing import NamedTuple

from cdc.model.generations import GenerationEntry, Generations, TopicIdentity, raised
from cdc.model.version import pack
from tests.unit.cdc.model.histories.source import Change, Row, Source, Window

TOPIC = "t"


class Record(NamedTuple):
    """A record of the topic.

    Attributes:
        life: which life of the topic it belongs to; a topic that is made anew begins another.
    """

    life: int
    partition: int
    offset: int
    change: Change


class Topic:
    """Partitions whose offsets have gaps, the recorded generations, and retention."""

    def __init__(self, partitions: int) -> None:
        self.life = 0
        self.logs: list[list[Record]] = [[] for _ in range(partitions)]
        self.ends = [0] * partitions
        self.starts = [0] * partitions
        self.newest = 0
        self._entries: tuple[GenerationEntry, ...] = ()
        self._lives: dict[int, Generations] = {}
        self.raise_generation()

    def partition_of(self, key: int) -> int:
        """Where a key's records are."""
        return (key * 5 + 1) % len(self.ends)

    def append(self, change: Change, partition: int) -> None:
        """Write a record."""
        self.logs[partition].append(Record(self.life, partition, self.ends[partition], change))
        self.ends[partition] += 1

    def mark(self) -> None:
        """A transaction's end leaves a marker in each partition, which takes an offset."""
        self.ends = [end + 1 for end in self.ends]

    def read(self, partition: int, begin: int, end: int) -> list[Record]:
        """The records that a consumer gets."""
        begin = max(begin, self.starts[partition])
        return [record for record in self.logs[partition] if begin <= record.offset < end]

    def generation(self, partition: int, offset: int) -> int:
        """The generation of coordinates of this life."""
        return self.generations.of(TOPIC, partition, offset)

    def version(self, record: Record) -> int:
        """The version of a record; one that a writer read in an earlier life keeps that life's."""
        generations = self._lives[record.life] if record.life != self.life else self.generations
        return pack(generations.of(TOPIC, record.partition, record.offset), record.offset)

    def earliest(self) -> dict[int, int]:
        """For each partition, the version at its earliest offset."""
        return {p: pack(self.generation(p, start), start) for p, start in enumerate(self.starts)}

    def raise_generation(self) -> None:
        """Begin the next generation at the present ends."""
        identity = TopicIdentity(TOPIC, str(self.life), len(self.ends))
        self._entries += raised(self._entries, identity, dict(enumerate(self.ends)))
        self.generations = Generations.from_entries(self._entries)
        self.newest += 1

    def add_partition(self) -> None:
        """One partition more, and the generation that this needs."""
        self.logs.append([])
        self.ends.append(0)
        self.starts.append(0)
        self.raise_generation()

    def make_anew(self) -> None:
        """Delete the topic and create it again."""
        count = len(self.ends)
        self._lives[self.life] = self.generations
        self.life += 1
        self.logs, self.ends, self.starts = [[] for _ in range(count)], [0] * count, [0] * count
        self.raise_generation()


class Connector:
    """Debezium: an initial or an incremental snapshot, then the log, in the order of commits.

    `suspect` says that what it delivered does not add up to the source's state, and that somebody has to
    compare: an initial snapshot that was begun again, or a TRUNCATE after the rows of an incremental
    snapshot's window were read and with an LSN below theirs, which is that of the window's end.
    """

    def __init__(self, source: Source, topic: Topic) -> None:
        self._source, self._topic = source, topic
        self.state = "new"
        self.suspect = False
        self.owed = False
        self._pending: list[Change] = []
        self._position = self._begin = 0
        self._windows = self._window_lsn = 0
        self._chunk: dict[int, Row] | None = None
        self._open: dict[int, Row] | None = None
        self._valid: int | None = None

    @property
    def idle(self) -> bool:
        """Everything committed is in the topic."""
        return self.state == "streaming" and self._position == len(self._source.log) and not self.in_window

    def has_delivered(self, position: int) -> bool:
        """Everything in the log before this position is in the topic, and every row that was there before."""
        return self.state == "streaming" and self._position >= position and not self.in_window

    @property
    def in_window(self) -> bool:
        """An incremental snapshot is under way, or has to come."""
        return self.owed or self._valid is not None

    @property
    def snapshotting(self) -> bool:
        """The initial snapshot's transaction is open: no TRUNCATE gets its lock."""
        return self.state == "snapshot"

    def start(self, initial: bool) -> None:
        """Create the slot; with an initial snapshot, or for a table that joins later without."""
        if not self._source.readable:
            return
        lsn = self._source.next_lsn()
        self._position = self._begin = len(self._source.log)
        self.state, self.owed = ("snapshot", False) if initial else ("streaming", bool(self._source.rows))
        rows = self._source.rows.items() if initial else ()
        self._pending = [Change("r", key, *row, lsn) for key, row in rows]

    def step(self, count: int, arg: int) -> None:
        """Deliver a few changes as one transaction of the producer."""
        for _ in range(count):
            if self.state == "snapshot":
                if not self._pending:
                    self.state = "streaming"
                    continue
                self._emit(self._pending.pop(), arg)
            elif self._position < len(self._source.log):
                self._position += 1
                self._read(self._source.log[self._position - 1], arg)
        if arg % 2:
            self._topic.mark()

    def window(self) -> None:
        """One step further with an incremental snapshot: open, read, close."""
        if self.state != "streaming":
            return
        if self._valid is None:
            self._windows += 1
            self._valid = self._windows
            self._source.log.append(Window("low", self._valid, self._source.next_lsn()))
        elif self._chunk is None:
            if self._source.readable:
                self._chunk = dict(self._source.rows)
        elif not self._closed():
            self._source.log.append(Window("high", self._valid, self._source.next_lsn()))

    def restart(self, back: int) -> None:
        """Start again, a few changes back when the producer was not exactly once."""
        if self.state == "snapshot":
            self.suspect = True
            self.state = "new"
            self.start(initial=True)
        elif self.state == "streaming":
            self._position = max(self._begin, self._position - back)
            if self._valid is not None:
                self.owed = True
            self._valid = self._chunk = self._open = None

    def _closed(self) -> bool:
        last = next((entry for entry in reversed(self._source.log) if isinstance(entry, Window)), None)
        return last is not None and last.op == "high" and last.number == self._valid

    def _read(self, entry: Change | Window, arg: int) -> None:
        if isinstance(entry, Window):
            if entry.number == self._valid:
                self._read_window(entry, arg)
            return
        if entry.op == "t" and (self._open is not None or entry.lsn < self._window_lsn):
            self.suspect = True
        if self._open is not None:
            self._open.pop(-1 if entry.key is None else entry.key, None)
        self._emit(entry, arg)

    def _read_window(self, entry: Window, arg: int) -> None:
        if entry.op == "low":
            if self._chunk is None:
                # The rows are read between the two marks, before anything that follows the first.
                self._position -= 1
            else:
                self._open = dict(self._chunk)
            return
        for key, row in (self._open or {}).items():
            self._emit(Change("r", key, *row, entry.lsn), arg)
        self._valid = self._chunk = self._open = None
        self._window_lsn, self.owed = entry.lsn, False

    def _emit(self, change: Change, arg: int) -> None:
        if change.key is None:
            self._topic.append(change, arg % len(self._topic.ends))
            return
        partition = self._topic.partition_of(change.key)
        self._topic.append(change, partition)
        if change.op == "d":
            self._topic.append(Change("", change.key), partition)
