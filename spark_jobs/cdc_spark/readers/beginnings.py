"""Where a query begins when its checkpoint cannot go on, and nothing is missing that nobody knows of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
    others: Mapping[str, Mapping[int, int]],
) -> Offsets | None:
    """Set a checkpoint aside that cannot go on, and say where a new one begins; None when it goes on.

    A topic that was made anew has other records at the offsets that the checkpoint knows, which would be
    passed over in silence. A topic that is not read any more, and records that retention removed before they
    were read, stop a query for good; the latter are passed over once their generation was closed, or when
    the table comes from another stream that has read them. Everything else begins where the checkpoint ended.

    Args:
        checkpoint: of the query, which does not run.
        kafka: the topics' Kafka.
        topics: what the query reads.
        generations: of these topics, which are known to be the recorded ones.
        others: up to where other queries have read topics into this sink.

    Raises:
        UnavailableError: Kafka or the checkpoints' file system does not answer.
    """
    checkpoint.finish_replacing()
    ids, kept = generations.topic_ids, checkpoint.beginning()
    started = checkpoint.ended()
    # A driver may have died after it set a checkpoint aside and before its first batch.
    ended = kept.begins if started is None else started
    anew = {topic for topic, topic_id in ids.items() if kept.topic_ids.get(topic, topic_id) != topic_id}
    if ended is None and not others.keys() & set(topics):
        begins = None  # nobody has read them, so they are read from their oldest record
    else:
        known = {
            topic: closed(generations, topic, others if topic not in (ended or {}) else {})
            for topic in topics
        }
        begins = new_beginnings(ended, anew, kafka.earliest_offsets(topics), known, others)
    if started is not None and begins is not None:
        if goes_on(started, checkpoint.planned() or {}, begins, anew):
            begins = None
        else:
            aside = checkpoint.replace(Beginning(ids, begins))
            log.warning("a checkpoint cannot go on, and another begins", kept=aside, begins=begins)
            return begins
    beginning = Beginning(ids, begins)
    if kept != beginning:
        checkpoint.keep_beginning(beginning)
    return begins


def closed(generations: Generations, topic: str, others: Mapping[str, Mapping[int, int]]) -> dict[int, int]:
    """Up to where nothing is missing of each partition, whatever Kafka still has."""
    read = others.get(topic, {})
    return {
        partition: max(steps[-1][0], read.get(partition, 0))
        for partition, steps in generations.for_topic(topic).items()
    }


def new_beginnings(
    ended: Offsets | None,
    anew: set[str],
    earliest: Offsets,
    closed: Mapping[str, Mapping[int, int]],
    others: Iterable[str] = (),
) -> Offsets:
    """Where each partition is to be read on.

    Args:
        ended: up to where the checkpoint has read; None when there is none.
        anew: topics that are others than those that it has read.
        earliest: the oldest offset that Kafka still has of each partition.
        closed: up to where nothing is missing.
        others: topics that another query has read.
    """

    def begin(topic: str, partition: int, first: int) -> int:
        if ended is None and topic not in others:
            return first
        read = 0 if topic in anew else (ended or {}).get(topic, {}).get(partition, 0)
        # What else is missing is found by the query, which says so and stops.
        return first if read < first <= closed[topic].get(partition, 0) else read

    return {
        topic: {partition: begin(topic, partition, first) for partition, first in partitions.items()}
        for topic, partitions in earliest.items()
    }


def goes_on(ended: Offsets, planned: Offsets, begins: Offsets, anew: set[str]) -> bool:
    """Spark, with a checkpoint that ended there, would begin there.

    Partitions that are new to it begin at 0. A batch that was planned and not committed is run again as it
    was planned: not so when its offsets are of topics that are not read any more, or were made anew.
    """
    if any(topic in anew or topic not in begins for topic in planned):
        return False
    return begins == {
        topic: dict.fromkeys(begins.get(topic, {}), 0) | dict(ended.get(topic, {}))
        for topic in {*begins, *ended}
    }
