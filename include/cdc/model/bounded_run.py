"""Backfills, replays and resyncs: what part of a table one is about, how far it is, what it says. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from cdc.errors import ConfigurationError, UnavailableError

CONTINUED_WITHIN = timedelta(days=1)
"""A run that was broken off so long ago begins anew: what it has read is no news any more."""

SILENT_AFTER = timedelta(hours=1)
"""A run that has said nothing for so long was killed."""


class RunKind(StrEnum):
    """What is done to a table."""

    BACKFILL = "backfill"
    REPLAY = "replay"
    RESYNC = "resync"


class Method(StrEnum):
    """How a backfill brings the source's rows into the sinks."""

    DIRECT = "direct"
    """The stream's own job reads them, and writes them as repairs are written."""
    SNAPSHOT = "snapshot"
    """Debezium reads them by a snapshot, and they come as events."""


@dataclass(frozen=True)
class Scope:
    """Which rows of a table: all, a range of keys, those of a condition, or both together.

    Attributes:
        begins, ends: the key's columns as text, `begins` included, `ends` excluded; empty without a limit.
        condition: a boolean expression over the table's columns, as `cdc.model.condition` passed it.
    """

    begins: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    condition: str = ""

    def as_document(self) -> dict[str, Any]:
        """JSON-able."""
        return {"from_key": list(self.begins), "until_key": list(self.ends), "where": self.condition}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Scope:
        """The opposite."""
        return cls(tuple(document["from_key"]), tuple(document["until_key"]), document["where"])

    @property
    def sentence(self) -> str:
        """For a person."""
        said = [
            f"{word} {', '.join(key)}" for word, key in (("from", self.begins), ("until", self.ends)) if key
        ]
        if self.condition:
            said.append(f"where {self.condition}")
        return " ".join(said) or "every row"


@dataclass(frozen=True)
class BoundedRun:
    """One table's backfill, replay or resync, as the ops store has it.

    Attributes:
        window: what was asked for; two runs of the same window are one when the first was broken off.
        sinks: where it writes.
        state: running, done or failed; a run that was killed stays running and is not touched any more.
        estimate: how many rows or events it is about, about; None when nobody knows.
        done: how many are written.
        bad: how many of them a sink could not hold.
        position: where to go on.
        message: how it ended.
    """

    id: UUID
    pipeline: str
    table: str
    kind: RunKind
    window: Mapping[str, Any]
    sinks: Sequence[str]
    state: str
    started_at: datetime
    touched_at: datetime
    estimate: int | None = None
    done: int = 0
    bad: int = 0
    position: Mapping[str, Any] = field(default_factory=dict)
    finished_at: datetime | None = None
    message: str = ""

    @property
    def unit(self) -> str:
        """What is counted."""
        return "events" if self.kind is RunKind.REPLAY else "rows"

    @property
    def sentence(self) -> str:
        """How far it is."""
        of = "" if self.estimate is None or self.state == "done" else f" of about {self.estimate:,}"
        bad = f", {self.bad:,} did not fit" if self.bad else ""
        where = f" into {', '.join(self.sinks)}" if self.sinks else ""
        return f"{self.kind} of {self.table}{where}: {self.state}, {self.done:,}{of} {self.unit}{bad}"

    def is_under_way(self, now: datetime) -> bool:
        """It runs, and was not killed."""
        return self.state == "running" and now - self.touched_at < SILENT_AFTER

    @property
    def part(self) -> str:
        """Which part of the table it is about."""
        if self.kind is RunKind.BACKFILL:
            scope = Scope.from_document({"from_key": (), "until_key": (), "where": "", **self.window})
            by = ", by a snapshot" if self.window.get("method") == Method.SNAPSHOT else ""
            return f"{scope.sentence}{by}"
        if self.kind is RunKind.REPLAY:
            return f"events from {self.window.get('from', '?')} until {self.window.get('until', '?')}"
        return "every row"

    def broken_off(self, now: datetime) -> bool:
        """It says that it runs, and has said nothing for so long that it was killed."""
        return self.state == "running" and not self.is_under_way(now)

    def as_document(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "id": str(self.id),
            "pipeline": self.pipeline,
            "table": self.table,
            "kind": str(self.kind),
            "window": dict(self.window),
            "sinks": list(self.sinks),
            "state": self.state,
            "estimate": self.estimate,
            "done": self.done,
            "bad": self.bad,
            "started_at": self.started_at.isoformat(),
            "touched_at": self.touched_at.isoformat(),
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
            "message": self.message,
        }


def refuse_resume(table: str, runs: Iterable[BoundedRun], now: datetime) -> None:
    """A resync has parked its table itself, and resumes it when the new one is there.

    Raises:
        ConfigurationError: one of this table runs.
    """
    for run in runs:
        if run.table == table and run.kind is RunKind.RESYNC and run.is_under_way(now):
            raise ConfigurationError(
                f"{table} is being read anew by a resync ({run.sentence}), and comes back by itself: "
                "a resume would write to the old table. If the resync was broken off, run it again: "
                f"`cdc resync {table}`"
            )


def refuse_new_build(table: str, under_way: Iterable[BoundedRun]) -> None:
    """A replay or backfill that began before would write what it has read into the new table.

    Args:
        table: the table's name in the sinks.
        under_way: the runs that have not ended, of any tables.

    Raises:
        UnavailableError: one of this table has not.
    """
    for run in under_way:
        if run.table == table and run.kind is not RunKind.RESYNC:
            raise UnavailableError(
                f"{table} cannot be built anew yet: a {run.sentence}; it would write into the new table what "
                "was meant for the old one. Try again once it has ended; if it was broken off, run it again "
                "first"
            )


def key_of(text: str, columns: Sequence[str]) -> tuple[str, ...]:
    """A key that a person has written: the value itself, or a JSON list where the key has several columns.

    Raises:
        ConfigurationError: not as many values as the key has columns.
    """
    if not text:
        return ()
    if len(columns) == 1:
        return (text,)
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, list) or len(values) != len(columns):
        raise ConfigurationError(
            f"received the key {text!r}, expected a JSON list with a value for each of "
            f"{', '.join(columns)}, such as [{', '.join(['1'] * len(columns))}]"
        )
    return tuple(value if isinstance(value, str) else json.dumps(value) for value in values)


def scope_of(kind: str, columns: Sequence[str], from_key: str, until_key: str, where: str) -> Scope:
    """What a form says, of which each field must belong to the kind that was chosen.

    Raises:
        ConfigurationError: a field is missing, or another one is filled.
    """
    given = {"from_key": bool(from_key), "until_key": bool(until_key), "where": bool(where.strip())}
    expected: set[str] = {
        "everything": set(),
        "key range": {"from_key", "until_key"},
        "condition": {"where"},
    }[kind]
    filled = {name for name, is_given in given.items() if is_given}
    if filled - expected or (expected and not filled):
        raise ConfigurationError(
            f"received scope {kind!r} with {', '.join(sorted(filled)) or 'nothing else'}; expected "
            f"{' or '.join(sorted(expected)) or 'nothing else'}"
        )
    return Scope(key_of(from_key, columns), key_of(until_key, columns), where.strip())


Offsets = Mapping[int, int]


def offsets_of(document: Mapping[str, Any]) -> dict[int, int]:
    """Offsets by partition, as JSON has them."""
    return {int(partition): int(offset) for partition, offset in document.items()}


def slices(since: Offsets, until: Offsets, most: int) -> Iterator[tuple[dict[int, int], dict[int, int]]]:
    """The stretch in pieces of at most so many offsets, each of all partitions that have some left."""
    begin = {partition: offset for partition, offset in since.items() if offset < until[partition]}
    while begin:
        share = max(1, most // len(begin))
        end = {partition: min(offset + share, until[partition]) for partition, offset in begin.items()}
        yield begin, end
        begin = {partition: offset for partition, offset in end.items() if offset < until[partition]}
