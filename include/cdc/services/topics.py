"""The pipeline's topics: made before the connector runs, and recorded with their identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdc.clients.kafka import KafkaClient
from cdc.connections import Connections
from cdc.errors import ConfigurationError, ConflictError, GenerationError
from cdc.model.generations import TopicIdentity, check_topic
from cdc.ops import OpsStore
from cdc.services.changes import Change, OnStep
from cdc.services.connector import platform_topics
from cdc.services.gaps import record_gaps
from cdc.services.reach import kafka_of
from cdc.spec import Pipeline, TableSpec

HOUR_MS = 3_600_000


class Topics:
    """An empty table has no topic of its own making, and the broker makes none: apply makes each."""

    def __init__(self, pipeline: Pipeline, connections: Connections, ops: OpsStore) -> None:
        self._pipeline, self._ops = pipeline, ops
        self._kafka = kafka_of(pipeline, connections)
        self._tables = tuple(pipeline.topic(table) for table in pipeline.tables)
        self._changelogs = {pipeline.topic(table) for table in pipeline.tables if table.changelog}

    def pending(self) -> list[Change]:
        """Topics that are missing or not recorded.

        Raises:
            GenerationError: a topic is not the one that was recorded.
            ConfigurationError: a changelog's topic has several partitions.
        """
        changes = []
        for topic in (*self._tables, *platform_topics(self._pipeline)):
            actual = self._kafka.topic_identity(topic)
            recorded = self._ops.topic_identity(topic) if topic in self._tables else None
            if actual is None:
                changes.append(Change("topic", topic, f"create with {self._partitions(topic)} partition(s)"))
            elif topic in self._tables:
                check_topic(recorded, actual)
                self._check_order(actual)
                if recorded is None:
                    changes.append(Change("topic", topic, "record its identity"))
        return changes

    def run(self, on_step: OnStep) -> None:
        """Make and record them."""
        pending = self.pending()
        kafka = self._pipeline.kafka
        for topic in (*self._tables, *platform_topics(self._pipeline)):
            self._kafka.create_topic(
                topic,
                self._partitions(topic),
                kafka.retention_hours * HOUR_MS,
                replication_factor=kafka.replication_factor,
            )
        for topic in self._tables:
            identity = self._kafka.topic_identity(topic)
            if identity is None:
                raise ConfigurationError(f"topic {topic} was made and is gone again: see Kafka's log")
            self._ops.record_topic(topic, identity.topic_id, identity.partitions)
        for change in pending:
            on_step(str(change))

    def _partitions(self, topic: str) -> int:
        several = topic in self._tables and topic not in self._changelogs
        return self._pipeline.kafka.partitions if several else 1

    def _check_order(self, actual: TopicIdentity) -> None:
        if actual.topic in self._changelogs and actual.partitions != 1:
            raise ConfigurationError(
                f"topic {actual.topic} of a changelog has {actual.partitions} partitions, expected 1: events "
                "without a key would lie in any of them, and their order would be lost. Delete the topic "
                "while nothing is captured into it, and let `cdc apply` make it"
            )


def topics_made_anew(pipeline: Pipeline, kafka: KafkaClient, ops: OpsStore) -> dict[str, str]:
    """Why a topic is not the one whose offsets were recorded, and what to do, by topic."""
    found = {}
    for topic in map(pipeline.topic, pipeline.tables):
        actual = kafka.topic_identity(topic)
        if actual is not None:
            try:
                check_topic(ops.topic_identity(topic), actual)
            except GenerationError as error:
                found[topic] = str(error)
    return found


@dataclass(frozen=True)
class Raised:
    """A topic's next generation, and what is not in the sinks of what was before.

    Args:
        generation: the generation.
        gone: sinks in which the table is parked, and which lack what it had not written of the topic before.
        unread: by sink, how many offsets before this generation no query has reported.
        missing: sinks that may lack changes until they are compared with the source.
    """

    generation: int
    gone: tuple[str, ...]
    unread: Mapping[str, int]
    missing: tuple[str, ...] = ()


def raise_generation(
    pipeline: Pipeline,
    table: TableSpec,
    actual: TopicIdentity,
    ends: Mapping[int, int],
    earliest: Mapping[int, int],
    position: int,
    ops: OpsStore,
) -> Raised:
    """Begin the next generation of a table's topic at these end offsets; connector and stream are stopped.

    Where the table is parked it waits for offsets: 0 in partitions that were added, and in all of a topic
    that was made anew; what had not been written of the topic before is gone with it.

    Args:
        pipeline: the pipeline.
        table: the table.
        actual: its topic, as Kafka has it.
        ends: the partitions' end offsets.
        earliest: the offsets from which on Kafka still has its records.
        position: where the source's log ends now.
        ops: the ops store.

    Raises:
        ConflictError: the table is parked or resumed by somebody else at the same time.
    """
    recorded = ops.topic_identity(actual.topic)
    anew = recorded is not None and recorded.topic_id != actual.topic_id
    parked = [item for item in ops.parked(pipeline.name) if item.table == table.name]
    for item in parked:
        begins = dict.fromkeys(ends, 0) | ({} if anew else dict(item.offsets))
        if ops.advance_parked(pipeline.name, item, begins) is None:
            raise ConflictError(
                f"{table.name} was parked or resumed in {item.sink} at the same time, and the generation was "
                "not raised: run it again"
            )
    unread = {} if anew else _unread(pipeline, actual.topic, ends, ops)
    # How far a topic reached that is gone, nobody knows; where a parked table waits, its resume looks.
    removed = _unread(pipeline, actual.topic, earliest, ops)
    missing = [sink.name for sink in pipeline.sinks] if anew else sorted(removed)
    if missing:
        said = f"topic {actual.topic} was made anew, and what was not read of the one before is gone"
        if not anew:
            said = f"Kafka has removed records of {actual.topic} that were not read"
        record_gaps(pipeline, [table], missing, position, said, ops)
    gone = tuple(item.sink for item in parked if anew)
    return Raised(ops.raise_generation(actual, ends), gone, unread, tuple(missing))


def _unread(pipeline: Pipeline, topic: str, ends: Mapping[int, int], ops: OpsStore) -> dict[str, int]:
    unread = {}
    for sink in pipeline.sinks:
        read = ops.read_until(pipeline.name, sink.name).get(topic, {})
        unread[sink.name] = sum(max(0, end - read.get(partition, 0)) for partition, end in ends.items())
    return {sink: offsets for sink, offsets in unread.items() if offsets}
