"""Samples: what the components said of themselves at one moment. `cdc.model.health` judges them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Offsets = Mapping[str, Mapping[int, int]]


@dataclass(frozen=True)
class TaskSample:
    """A connector's task, with its trace when it failed."""

    id: int
    state: str
    trace: str = ""

    @property
    def cause(self) -> str:
        """The trace's innermost cause in one line: its first line only says that something has failed."""
        lines = self.trace.strip().splitlines()
        causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
        return next(iter([*causes[-1:], *lines[:1]]), "no trace")


@dataclass(frozen=True)
class ConnectorSample:
    """A connector as Kafka Connect reports it; `state` is None when it is not registered.

    Attributes:
        expected: False when `cdc apply` has never registered it.
    """

    connector: str
    at: datetime
    state: str | None = None
    tasks: tuple[TaskSample, ...] = ()
    expected: bool = True
    unreachable: str = ""


@dataclass(frozen=True)
class QuerySample:
    """A query as the ops store knows it.

    Attributes:
        wanted: False when somebody asked the stream to stop, or paused it.
        paused_at: since when it is paused; None when it is not.
        launched_at: when its driver was last submitted.
        waiting_since: when the first of the drivers was submitted of which there was no sign of life yet.
        seen_at: its last progress or its last word that there was nothing to do.
        offsets_behind: events between its last batch and the end of its topics, as that batch saw it.
        parked: tables of the stream that are parked in this sink.
    """

    query: str
    at: datetime
    wanted: bool = True
    launched_at: datetime | None = None
    seen_at: datetime | None = None
    offsets_behind: int | None = None
    parked: tuple[str, ...] = ()
    paused_at: datetime | None = None
    waiting_since: datetime | None = None
    unreachable: str = ""


@dataclass(frozen=True)
class CheckpointSample:
    """A checkpoint's offsets against Kafka's end offsets; `committed` is None before the first batch.

    Attributes:
        paused: its stream is paused, so it is meant to fall behind.
    """

    query: str
    at: datetime
    committed: Offsets | None = None
    ends: Offsets = field(default_factory=dict)
    committed_at: datetime | None = None
    paused: bool = False
    unreachable: str = ""


@dataclass(frozen=True)
class SlotSample:
    """A replication slot; `exists` is False when the source has none of that name.

    Attributes:
        expected: False when no connector was ever registered that would have made it.
        written_lsn, confirmed_lsn: where the source's log ends, and what of it Debezium has confirmed.
        safe_bytes: how much the log may grow until WAL that the slot needs is in danger; None: no limit.
        retained_per_s: by how many bytes a second the retained WAL grows; None when that is not known yet.
    """

    slot: str
    at: datetime
    exists: bool = True
    expected: bool = True
    active: bool = False
    retained_bytes: int | None = None
    wal_status: str = ""
    inactive_since: datetime | None = None
    unreachable: str = ""
    written_lsn: int | None = None
    confirmed_lsn: int | None = None
    safe_bytes: int | None = None
    retained_per_s: float | None = None


@dataclass(frozen=True)
class WatermarkAge:
    """How old the watermark of one table in one sink is.

    Attributes:
        proven_at: when it was last proven; None: never.
        complete_until: what it is complete up to, in the source's time.
        doubt: why the last look proved nothing.
        waiting_since: as `QuerySample` has it; before that nothing could be proven.
    """

    table: str
    sink: str
    proven_at: datetime | None = None
    complete_until: datetime | None = None
    doubt: str = ""
    waiting_since: datetime | None = None


@dataclass(frozen=True)
class WatermarksSample:
    """The watermarks of a pipeline, end to end.

    Attributes:
        ages: those of the tables whose stream is not paused.
        scheduled: False when the pipeline has no schedule for proofs.
    """

    pipeline: str
    at: datetime
    ages: tuple[WatermarkAge, ...] = ()
    scheduled: bool = True
    unreachable: str = ""


@dataclass(frozen=True)
class DeadLettersSample:
    """Open dead letters of a pipeline.

    Attributes:
        open: how many, by table and sink.
        since: when the first of them failed.
        newest: what the newest one says.
        gone: tables among them that the pipeline has no more, so that no replay can write their events.
    """

    pipeline: str
    at: datetime
    open: Mapping[tuple[str, str], int] = field(default_factory=dict)
    since: datetime | None = None
    newest: str = ""
    gone: tuple[str, ...] = ()
    unreachable: str = ""


Sample = ConnectorSample | QuerySample | CheckpointSample | SlotSample | WatermarksSample | DeadLettersSample


def lag(committed: Offsets, ends: Offsets) -> int:
    """Events between committed and end offsets; a partition that was never committed counts from 0."""
    return sum(
        max(0, end - committed.get(topic, {}).get(partition, 0))
        for topic, partitions in ends.items()
        for partition, end in partitions.items()
    )
