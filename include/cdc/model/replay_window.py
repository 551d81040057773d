"""Which offsets a replay reads, and why it is refused: Kafka must have all of them still. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cdc.errors import ConfigurationError, GenerationError
from cdc.model.bounds import Bounds

Offsets = Mapping[int, int]


@dataclass(frozen=True)
class Log:
    """A topic's log as Kafka has it.

    Attributes:
        earliest, ends: the offsets of each partition that are there, the end excluded.
        since, until: the first offsets that are not older than the times that were asked for; empty for an
            end that is no time.
    """

    topic: str
    earliest: Offsets
    ends: Offsets
    since: Offsets
    until: Offsets


def asked_bounds(since: str, until: str, interval: tuple[datetime, datetime] | None) -> tuple[str, str]:
    """What a run of a DAG is about: what its form says, else its data interval.

    Raises:
        ConfigurationError: it has neither.
    """
    if since:
        return since, until or "latest"
    if interval is None or interval[0] >= interval[1]:
        raise ConfigurationError(
            "received no beginning, and this run has no data interval; expected `from` (a time, offsets or "
            "earliest), or a logical date, as `airflow backfill create` gives it"
        )
    return interval[0].isoformat(), until or interval[1].isoformat()


def replay_window(
    table: str, since: Bounds, until: Bounds, log: Log
) -> tuple[dict[int, int], dict[int, int]]:
    """The offsets of each partition, the end excluded.

    Raises:
        GenerationError: Kafka has removed some of them; says what is there, and what to do instead.
        ConfigurationError: they lie behind the topic's end, or end before they begin.
    """
    begin = _resolved(since, log.topic, log.earliest, log.ends, log.since)
    end = _resolved(until, log.topic, log.earliest, log.ends, log.until)
    partitions = sorted(set(begin) & set(end))
    foreign = [p for p in partitions if p not in log.ends]
    if foreign or not partitions:
        raise ConfigurationError(
            f"received partitions {sorted({*begin, *end})}, expected those of {log.topic}: {sorted(log.ends)}"
        )
    gone = [p for p in partitions if _is_gone(since, begin[p], end[p], log.earliest[p], log.ends[p])]
    if gone:
        raise GenerationError(
            f"Kafka has removed events of {log.topic} that this replay of {table} is about. It has "
            f"{_there(log, partitions)}. Begin there, or read the rows from the source: "
            f"`cdc backfill {table}`"
        )
    beyond = [p for p in partitions if max(begin[p], end[p]) > log.ends[p]]
    if beyond:
        raise ConfigurationError(
            f"received offsets of {log.topic} behind its end, in partitions {beyond}; it has "
            f"{_there(log, partitions)}"
        )
    backwards = [p for p in partitions if begin[p] > end[p]]
    if backwards:
        raise ConfigurationError(
            f"this replay of {table} would end before it begins, in partitions {backwards} of {log.topic}: "
            "expected a beginning before the end"
        )
    return {p: begin[p] for p in partitions}, {p: end[p] for p in partitions}


def _resolved(bound: Bounds, topic: str, earliest: Offsets, ends: Offsets, at: Offsets) -> Offsets:
    if bound.offsets is not None:
        return bound.offsets.get(topic, {})
    if bound.word:
        return earliest if bound.word == "earliest" else ends
    return at


def _is_gone(since: Bounds, begin: int, end: int, earliest: int, last: int) -> bool:
    if since.offsets is not None:
        return begin < earliest and begin < end
    # The first record that is left tells nothing of the time of those before it. A partition that has none
    # left got none for as long as Kafka keeps them, and must not refuse the days of the others.
    return since.timestamp_ms is not None and begin == earliest > 0 and earliest < last


def _there(log: Log, partitions: list[int]) -> str:
    parts = [f"{log.earliest[p]} to {log.ends[p] - 1} of partition {p}" for p in partitions]
    return f"offsets {', '.join(parts)}"
