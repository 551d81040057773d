"""Where a query begins when its checkpoint cannot go on, and nothing is missing that nobody knows of."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from cdc.clients.kafka import KafkaClient
from cdc.model.bounds import Offsets
from cdc.model.generations import Generations
from cdc_spark.readers.checkpoint import Beginning, OffsetLog

log = structlog.get_logger(__name__)


def beginnings(
    checkpoint: OffsetLog,
    kafka: KafkaClient,
    topics: tuple[str, ...],
    generations: Generations,
    reported: Mapping[str, Mapping[int, int]],
) -> Offsets | None:
    """Set a checkpoint aside that cannot go on, and say where the new one begins; None when it goes on.

    A topic that was made anew has other records at the offsets that the checkpoint knows, which would be
    passed over in silence. A topic that is not read any more, and records that retention removed before they
    were read, stop a query for good; the latter are passed over once their generation was closed, or when
    the sink has them from another query. Everything else begins where the checkpoint ended.

    Args:
        checkpoint: of the query, which does not run.
        kafka: the topics' Kafka.
        topics: what the query reads.
        generations: of these topics, which are known to be the recorded ones.
        reported: up to where queries have read the topics into this sink.

    Raises:
        UnavailableError: Kafka or the checkpoints' file system does not answer.
    """
    ids, kept = generations.topic_ids, checkpoint.beginning()
    started = checkpoint.ended()
    # A driver may have died after it set a checkpoint aside and before its first batch.
    ended = kept.begins if started is None else started
    begins = None
    if ended is not None:
        anew = {topic for topic, topic_id in ids.items() if kept.topic_ids.get(topic, topic_id) != topic_id}
        known = {topic: closed(generations, reported, topic) for topic in topics}
        earliest = kafka.earliest_offsets(topics)
        begins = new_beginnings(ended, anew, earliest, known)
        if started is not None:
            if goes_on(started, begins):
                begins = None
            else:
                aside = checkpoint.set_aside()
                log.warning("a checkpoint cannot go on, and another begins", kept=aside, begins=begins)
    beginning = Beginning(ids, begins)
    if kept != beginning:
        checkpoint.keep_beginning(beginning)
    return begins


def closed(generations: Generations, reported: Mapping[str, Mapping[int, int]], topic: str) -> dict[int, int]:
    """Up to where nothing is missing of each partition, whatever Kafka still has."""
    read = reported.get(topic, {})
    return {
        partition: max(steps[-1][0], read.get(partition, 0))
        for partition, steps in generations.for_topic(topic).items()
    }


def new_beginnings(
    ended: Offsets, anew: set[str], earliest: Offsets, closed: Mapping[str, Mapping[int, int]]
) -> Offsets:
    """Where each partition is to be read on.

    Args:
        ended: up to where the checkpoint has read.
        anew: topics that are others than those that it has read.
        earliest: the oldest offset that Kafka still has of each partition.
        closed: up to where nothing is missing.
    """

    def begin(topic: str, partition: int, first: int) -> int:
        read = 0 if topic in anew else ended.get(topic, {}).get(partition, 0)
        # What else is missing is found by the query, which says so and stops.
        return first if read < first <= closed[topic].get(partition, 0) else read

    return {
        topic: {partition: begin(topic, partition, first) for partition, first in partitions.items()}
        for topic, partitions in earliest.items()
    }


def goes_on(ended: Offsets, begins: Offsets) -> bool:
    """Spark, with a checkpoint that ended there, would begin there: new partitions begin at 0."""
    return begins == {
        topic: dict.fromkeys(begins.get(topic, {}), 0) | dict(ended.get(topic, {}))
        for topic in {*begins, *ended}
    }
