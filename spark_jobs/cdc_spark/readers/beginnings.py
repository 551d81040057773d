"""Where a query begins when its checkpoint cannot go on, but its topic's next generation was begun."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from cdc.clients.kafka import KafkaClient
from cdc.model.bounds import Offsets
from cdc.model.generations import Generations
from cdc_spark.readers.checkpoint import OffsetLog

log = structlog.get_logger(__name__)
EARLIEST = -2
"""Kafka's own word for the oldest offset that a partition has."""


def beginnings(
    checkpoint: OffsetLog, kafka: KafkaClient, topics: tuple[str, ...], generations: Generations
) -> Offsets | None:
    """Set a checkpoint aside that cannot go on, and say where the new one begins; None when it goes on.

    A topic that was made anew has other records at the offsets that the checkpoint knows, which would be
    passed over in silence. Records that retention removed before they were read stop a query for good,
    unless they are of a generation that was closed since. Everything else begins where the checkpoint ended.

    Args:
        checkpoint: of the query, which does not run.
        kafka: the topics' Kafka.
        topics: what the query reads.
        generations: of these topics, which are known to be the recorded ones.

    Raises:
        UnavailableError: Kafka does not answer.
    """
    ids, known = generations.topic_ids, checkpoint.topic_ids()
    ended = checkpoint.ended()
    begins = None
    if ended is not None:
        anew = {topic for topic, topic_id in ids.items() if known.get(topic, topic_id) != topic_id}
        closed = {topic: newest_begins(generations, topic) for topic in topics}
        begins = new_beginnings(ended, anew, kafka.earliest_offsets(topics), closed)
        if begins is not None:
            kept = checkpoint.set_aside()
            log.warning("a checkpoint cannot go on, and another begins", kept=kept, begins=begins)
    if begins is not None or known != ids:
        checkpoint.keep_topic_ids(ids)
    return begins


def newest_begins(generations: Generations, topic: str) -> dict[int, int]:
    """Where the newest generation of each partition begins."""
    return {partition: steps[-1][0] for partition, steps in generations.for_topic(topic).items()}


def new_beginnings(
    ended: Offsets, anew: set[str], earliest: Offsets, closed: Mapping[str, Mapping[int, int]]
) -> Offsets | None:
    """Where each partition begins when one of them cannot go on; None when all can.

    Args:
        ended: up to where the checkpoint has read.
        anew: topics that are others than those that it has read.
        earliest: the oldest offset that Kafka still has of each partition.
        closed: up to where generations have been closed.
    """

    def begin(topic: str, partition: int, first: int) -> int:
        read = None if topic in anew else ended.get(topic, {}).get(partition)
        if read is None or read < first <= closed[topic].get(partition, 0):
            return EARLIEST
        return read

    begins = {
        topic: {partition: begin(topic, partition, first) for partition, first in partitions.items()}
        for topic, partitions in earliest.items()
    }
    changed = any(
        begins.get(topic, {}).get(partition) == EARLIEST
        for topic, partitions in ended.items()
        for partition in partitions
    )
    return begins if changed else None
