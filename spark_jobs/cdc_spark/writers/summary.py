"""What one Spark partition did, told to the driver: counts, offsets, a failure instead of a stack trace."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields

import orjson

from cdc import errors
from cdc.errors import CdcError, TransientError

SCHEMA = "summary string"
MAX_EXAMPLES = 3


@dataclass
class Summary:
    """What was read and written; summaries of partitions add up to a table's.

    Attributes:
        events: Kafka records that were read, tombstones and parked ones included.
        unlike: of the bad events, those that do not have the declared shape, or that the sink refused.
        unknown: columns of bad events that the table does not have.
        reshaped: of the bad events, those that do not fit the table's columns and types, whose change at the
            source may explain it.
        uncapturable: of the bad events, those that no repetition of the source's rows could mend.
        superseded: partial events that were not written, since a newer row is in the sink or on its way.
        until: for each Kafka partition, the offset after the last record.
        bad_from: for each Kafka partition, the first bad event.
        floors: [generation, LSN] of each truncate.
        late: (partition, offset, error, message) of bad events that their records alone do not show.
        examples: the first few reasons of bad events.
        refused: [partition, offset, the sink's message] of each bad event that only the sink refused.
        swamped: a sink refused more rows than it was asked about one by one.
        max_source_ts: the latest commit time at the source among the rows, in microseconds.
        failure: (error class, message) when the sink refused.
    """

    events: int = 0
    tombstones: int = 0
    parked: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    truncates: int = 0
    bad: int = 0
    unlike: int = 0
    reshaped: int = 0
    uncapturable: int = 0
    superseded: int = 0
    until: dict[int, int] = field(default_factory=dict)
    bad_from: dict[int, int] = field(default_factory=dict)
    floors: list[list[int]] = field(default_factory=list)
    late: list[tuple[int, int, str, str]] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    refused: list[tuple[int, int, str]] = field(default_factory=list)
    swamped: bool = False
    max_source_ts: int | None = None
    failure: tuple[str, str] | None = None

    @property
    def judged(self) -> int:
        """Events that were written, found to be superseded, or found bad."""
        written = self.inserted + self.updated + self.deleted + self.truncates
        return written + self.superseded + self.bad

    def to_json(self) -> str:
        """The form in which it leaves the executor."""
        return orjson.dumps(self.__dict__, option=orjson.OPT_NON_STR_KEYS).decode()

    @classmethod
    def from_json(cls, text: str) -> Summary:
        """Read what `to_json` wrote."""
        data = orjson.loads(text)
        for name in ("until", "bad_from"):
            data[name] = {int(partition): offset for partition, offset in data[name].items()}
        data["late"] = [tuple(event) for event in data["late"]]
        data["failure"] = tuple(data["failure"]) if data["failure"] else None
        return cls(**data)

    def raise_failure(self) -> None:
        """Raise the error that the executor met, as the class it had there."""
        if self.failure is not None:
            kind = getattr(errors, self.failure[0], TransientError)
            error: CdcError = kind(self.failure[1])
            raise error


def total(summaries: Iterable[Summary]) -> Summary:
    """Add summaries up; the first failure is kept, a terminal one before a transient one."""
    out = Summary()
    for one in summaries:
        for item in fields(Summary):
            if item.type == "int":
                setattr(out, item.name, getattr(out, item.name) + getattr(one, item.name))
        for partition, offset in one.until.items():
            out.until[partition] = max(out.until.get(partition, 0), offset)
        for partition, offset in one.bad_from.items():
            out.bad_from[partition] = min(out.bad_from.get(partition, offset), offset)
        out.floors += one.floors
        out.refused += one.refused
        out.swamped |= one.swamped
        out.late += one.late
        out.unknown = sorted({*out.unknown, *one.unknown})
        out.examples = (out.examples + one.examples)[:MAX_EXAMPLES]
        if one.max_source_ts is not None:
            out.max_source_ts = max(out.max_source_ts or 0, one.max_source_ts)
        if one.failure is not None and (out.failure is None or not _is_terminal(out.failure)):
            out.failure = one.failure
    return out


def _is_terminal(failure: tuple[str, str]) -> bool:
    return issubclass(getattr(errors, failure[0], TransientError), errors.TerminalError)
