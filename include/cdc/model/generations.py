"""Generations: which stretch of a topic's life an event's coordinates belong to.

A generation is raised only by an explicit operation (topic recreated, partitions changed, Kafka restored,
source cluster replaced). An event's generation follows from its coordinates, never from when it is read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cdc.errors import GenerationError

FIRST_GENERATION = 1
"""A topic's first generation; 0 is left free, so that a version below 2**48 is visibly not the platform's."""

NEVER = 2**63 - 1
"""An offset that no event has."""


@dataclass(frozen=True)
class TopicIdentity:
    """What tells one life of a topic from the next."""

    topic: str
    topic_id: str
    partitions: int


@dataclass(frozen=True)
class GenerationEntry:
    """From `from_offset` on, events of this partition have `generation`."""

    topic: str
    topic_id: str
    partition: int
    from_offset: int
    generation: int


class Generations:
    """The generation of any coordinates of the recorded topics.

    Attributes:
        topic_ids: of the topics as they are recorded now, where that is known.
    """

    def __init__(
        self, cuts: dict[str, dict[int, list[tuple[int, int]]]], topic_ids: Mapping[str, str] | None = None
    ) -> None:
        self._cuts, self.topic_ids = cuts, dict(topic_ids or {})

    @classmethod
    def from_entries(cls, entries: Iterable[GenerationEntry]) -> Generations:
        """Build from records; those of a topic's earlier lives (other topic ids) do not count."""
        entries = tuple(entries)
        newest: dict[str, GenerationEntry] = {}
        for entry in entries:
            if entry.topic not in newest or entry.generation > newest[entry.topic].generation:
                newest[entry.topic] = entry
        cuts: dict[str, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        for entry in entries:
            if entry.topic_id == newest[entry.topic].topic_id:
                cuts[entry.topic][entry.partition].append((entry.from_offset, entry.generation))
        for topic, partitions in cuts.items():
            for partition, steps in partitions.items():
                steps.sort()
                if [generation for _, generation in steps] != sorted({generation for _, generation in steps}):
                    raise GenerationError(
                        f"{topic}[{partition}]: generations do not rise with the offsets: {steps}"
                    )
        ids = {topic: entry.topic_id for topic, entry in newest.items()}
        return cls({topic: dict(partitions) for topic, partitions in cuts.items()}, ids)

    def of(self, topic: str, partition: int, offset: int) -> int:
        """The generation of an event.

        Raises:
            GenerationError: no record covers these coordinates.
        """
        steps = self._cuts.get(topic, {}).get(partition, [])
        position = bisect_right(steps, offset, key=lambda step: step[0])
        if not position:
            raise GenerationError(
                f"{topic}[{partition}] offset {offset} has no recorded generation: run `cdc apply`, which "
                "records "
                "every topic of the pipeline; if partitions were added to the topic, see its message"
            )
        return steps[position - 1][1]

    def for_topic(self, topic: str) -> dict[int, list[tuple[int, int]]]:
        """`{partition: [(from_offset, generation), …]}`, rising: small, and picklable for executors."""
        return {partition: list(steps) for partition, steps in self._cuts.get(topic, {}).items()}


def begins_of(steps: Mapping[int, Sequence[tuple[int, int]]], generation: int) -> dict[int, int]:
    """The first offset of each partition that has this generation or a later one.

    Args:
        steps: `{partition: [(from offset, generation), …]}`, rising, as `Generations.for_topic` gives it.
        generation: the generation.
    """
    return {
        partition: next((offset for offset, later in cuts if later >= generation), NEVER)
        for partition, cuts in steps.items()
    }


def check_topic(recorded: TopicIdentity | None, actual: TopicIdentity) -> None:
    """Refuse a topic that is not the one whose offsets were recorded; one never recorded is fine.

    Raises:
        GenerationError: the topic id or the partition count changed; the message tells the procedure.
    """
    if recorded is None or recorded == actual:
        return
    if recorded.topic_id != actual.topic_id:
        what = f"was made anew: its id was {recorded.topic_id}, now it is {actual.topic_id}"
    else:
        what = f"had {recorded.partitions} partitions, now it has {actual.partitions}"
    raise GenerationError(
        f"topic {actual.topic} {what}, so its offsets do not continue the recorded ones and older rows "
        "could win "
        "over newer ones. Stop the connector and the topic's stream, let the queries reach the end offsets, "
        "run "
        f"`cdc generation raise {actual.topic}`, then start the connector and the stream"
    )


def raised(
    entries: Iterable[GenerationEntry], actual: TopicIdentity, ends: dict[int, int]
) -> tuple[GenerationEntry, ...]:
    """The records that begin a topic's next generation.

    Args:
        entries: every record of the topic so far.
        actual: the topic as it is now.
        ends: each partition's end offset now; a topic that was made anew begins at 0 whatever it holds.
    """
    entries = tuple(entries)
    generation = max((entry.generation for entry in entries), default=FIRST_GENERATION - 1) + 1
    known = {entry.partition for entry in entries if entry.topic_id == actual.topic_id}
    return tuple(
        GenerationEntry(
            actual.topic, actual.topic_id, partition, ends[partition] if partition in known else 0, generation
        )
        for partition in range(actual.partitions)
    )
