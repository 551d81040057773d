"""What a stretch of records holds, collected by column. No Spark, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class BadEvent:
    """An event that cannot be written, and why.

    Attributes:
        late: its record alone does not show it: it was found when missing values were looked up.
        unknown: columns of the event that the table does not have.
    """

    partition: int
    offset: int
    error: str
    message: str
    key: bytes | None = None
    late: bool = False
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Missing:
    """What an event does not say of its row: an update did not touch a long value, or no event says it.

    Attributes:
        record: the event's position among the records that were parsed.
        columns: positions of the columns.
        unsent: the source alone knows at least one of the values.
    """

    record: int
    columns: tuple[int, ...]
    unsent: bool = False


@dataclass(frozen=True)
class Truncate:
    """A TRUNCATE: rows of the table with a lower LSN are not current any more."""

    partition: int
    offset: int
    lsn: int


@dataclass
class Envelopes:
    """What a stretch of records holds: one entry in each list for every event that changes a row.

    Attributes:
        values: the source columns' values in declared order; of a delete, the key's alone.
        missing: what has to be filled, by the position in these lists; its values are None here.
        records: the event's position among the records that were parsed.
        doubted: positions of events that were asked after at the source, as what they say has two meanings.
        exact: by the event's position and the column's name, PostgreSQL's own text of a value that the type
            in which it travels does not hold.
        moments: the commit's time at the source in microseconds.
        until: for each partition, the offset after the last record that was seen.
    """

    keys: list[bytes | None] = field(default_factory=list)
    ops: list[str] = field(default_factory=list)
    values: list[tuple[Any, ...]] = field(default_factory=list)
    lsns: list[int] = field(default_factory=list)
    tx_ids: list[int | None] = field(default_factory=list)
    moments: list[int] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    missing: dict[int, Missing] = field(default_factory=dict)
    records: list[int] = field(default_factory=list)
    doubted: set[int] = field(default_factory=set)
    exact: dict[int, dict[str, str]] = field(default_factory=dict)
    bad: list[BadEvent] = field(default_factory=list)
    truncates: list[Truncate] = field(default_factory=list)
    until: dict[int, int] = field(default_factory=dict)
    events: int = 0
    tombstones: int = 0
    parked: int = 0
    replaced: int = 0

    def add(
        self,
        key: bytes | None,
        op: str,
        values: tuple[Any, ...],
        origin: tuple[int, Any, int],
        place: tuple[int, int],
    ) -> None:
        """Append an event: its LSN, transaction and moment, then its partition and offset."""
        lsn, tx_id, moment = origin
        self.keys.append(key)
        self.records.append(self.events - 1)
        self.ops.append(op)
        self.values.append(values)
        self.lsns.append(lsn)
        self.tx_ids.append(tx_id if type(tx_id) is int else None)
        self.moments.append(moment)
        self.partitions.append(place[0])
        self.offsets.append(place[1])
