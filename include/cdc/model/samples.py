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


Sample = ConnectorSample | QuerySample | CheckpointSample | SlotSample


def lag(committed: Offsets, ends: Offsets) -> int:
    """Events between committed and end offsets; a partition that was never committed counts from 0."""
    return sum(
        max(0, end - committed.get(topic, {}).get(partition, 0))
        for topic, partitions in ends.items()
        for partition, end in partitions.items()
    )
