"""Kafka: topics, their identity and their offsets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
)
from tenacity import (
    RetryError,
    Retrying,
    retry,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential_jitter,
    wait_fixed,
)

from cdc.errors import ConfigurationError, UnavailableError
from cdc.model.generations import TopicIdentity

Offsets = dict[str, dict[int, int]]
_PASSING = frozenset(
    {
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.REQUEST_TIMED_OUT,
    }
)
"""What brokers say while a topic is made or led by another one; librdkafka does not call it retriable."""
_GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.UNKNOWN_TOPIC_ID)
_retried = retry(
    retry=retry_if_exception_type(UnavailableError),
    stop=stop_after_attempt(4),
    wait=wait_exponential_jitter(multiplier=0.3, max=4),
    reraise=True,
)


class KafkaClient:
    """Looks at and makes topics.

    Args:
        bootstrap: `host:port`, comma-separated.
        timeout_s: of one call.
        extra: more client settings, such as those of a secured cluster.
    """

    def __init__(
        self, bootstrap: str, timeout_s: float = 10.0, extra: Mapping[str, Any] | None = None
    ) -> None:
        self.bootstrap, self._timeout = bootstrap, timeout_s
        # The client's own log repeats every failed attempt; the errors below say it once.
        settings: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "socket.timeout.ms": int(timeout_s * 1000),
            "log_level": 0,
            "error_cb": lambda _: None,
            **(extra or {}),
        }
        self._settings = settings
        self._admin = AdminClient(settings)

    @_retried
    def create_topic(
        self,
        name: str,
        partitions: int,
        retention_ms: int,
        *,
        replication_factor: int = 1,
        config: Mapping[str, str] | None = None,
    ) -> bool:
        """Make a topic, and wait until Kafka shows it; False when it was there, whatever its settings.

        Raises:
            UnavailableError: Kafka does not answer, or does not show the topic that it made.
            ConfigurationError: Kafka refuses the topic.
        """
        settings = {"retention.ms": str(retention_ms), "cleanup.policy": "delete", **(config or {})}
        topic = NewTopic(name, partitions, replication_factor, config=settings)
        futures = self._admin.create_topics([topic], operation_timeout=self._timeout)
        made = self._wait(futures[name], f"create topic {name}", KafkaError.TOPIC_ALREADY_EXISTS) is not None
        self._until_shown(name, there=True)
        return made

    @_retried
    def topic_identity(self, name: str) -> TopicIdentity | None:
        """The topic's id and partition count, or None when there is no such topic."""
        futures = self._admin.describe_topics(TopicCollection([name]), request_timeout=self._timeout)
        found = self._wait(futures[name], f"describe topic {name}", *_GONE)
        if found is None:
            return None
        return TopicIdentity(name, str(found.topic_id), len(found.partitions))

    def topics(self) -> set[str]:
        """Every topic's name.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        try:
            return set(self._admin.list_topics(timeout=self._timeout).topics)
        except KafkaException as error:
            raise UnavailableError(f"Kafka at {self.bootstrap}: list topics: {error}") from None

    @_retried
    def delete_topics(self, names: Iterable[str]) -> None:
        """Delete topics, and wait until Kafka shows them no longer; fine when one is gone already.

        Raises:
            UnavailableError: Kafka does not answer, or still shows a topic that it deleted.
        """
        wanted = list(names)
        futures = self._admin.delete_topics(wanted, operation_timeout=self._timeout) if wanted else {}
        for name, future in futures.items():
            self._wait(future, f"delete topic {name}", *_GONE)
            self._until_shown(name, there=False)

    def delete_records(self, topics: Iterable[str]) -> None:
        """Move the start of each partition's log to its end; what was there cannot be read again."""
        ends = self.end_offsets(topics, "read_uncommitted")
        places = [
            TopicPartition(topic, partition, end)
            for topic, partitions in ends.items()
            for partition, end in partitions.items()
        ]
        futures = self._admin.delete_records(places, request_timeout=self._timeout) if places else {}
        for place, future in futures.items():
            self._wait(future, f"delete records of {place.topic}[{place.partition}]")

    def offsets_at(self, topics: Iterable[str], timestamp_ms: int) -> Offsets:
        """The first offset of each partition whose record is not older; its end where all are older."""
        wanted = list(topics)
        found = self._offsets(wanted, lambda: OffsetSpec.for_timestamp(timestamp_ms), "read_uncommitted")
        ends = self.end_offsets(wanted)
        return {
            topic: {p: offset if offset >= 0 else ends[topic][p] for p, offset in partitions.items()}
            for topic, partitions in found.items()
        }

    def end_offsets(self, topics: Iterable[str], isolation: str = "read_committed") -> Offsets:
        """The offset after the last event of each partition; a topic that does not exist is left out.

        Args:
            topics: the topics.
            isolation: `read_committed` ends before the first open transaction, `read_uncommitted` after the
                last event or marker.
        """
        return self._offsets(topics, OffsetSpec.latest, isolation)

    def earliest_offsets(self, topics: Iterable[str]) -> Offsets:
        """The oldest offset that Kafka still has, of each partition."""
        return self._offsets(topics, OffsetSpec.earliest, "read_uncommitted")

    def topic_settings(self, topics: Iterable[str]) -> dict[str, dict[str, str]]:
        """The settings in effect of each topic, such as `retention.ms`; a missing topic is left out."""
        resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
        futures = self._admin.describe_configs(resources, request_timeout=self._timeout) if resources else {}
        settings = {}
        for resource, future in futures.items():
            found = self._wait(future, f"settings of topic {resource.name}", *_GONE)
            if found is not None:
                settings[resource.name] = {name: entry.value for name, entry in found.items()}
        return settings

    def record_times(self, places: Iterable[tuple[str, int, int]]) -> dict[tuple[str, int, int], datetime]:
        """When the first record at or behind each place was written to Kafka.

        A place behind which there is no record yet is left out.

        Args:
            places: topic, partition and offset.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        wanted = list(places)
        # Each partition is looked at from one place at a time, and most are the same for both sinks.
        found: dict[tuple[str, int, int], datetime] = {}
        while wanted:
            batch = {(topic, partition): offset for topic, partition, offset in reversed(wanted)}
            found |= self._first_records(batch)
            wanted = [place for place in wanted if batch[place[:2]] != place[2]]
        return found

    def _first_records(self, places: Mapping[tuple[str, int], int]) -> dict[tuple[str, int, int], datetime]:
        consumer = Consumer(
            self._settings
            | {
                "group.id": "cdc-look",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_uncommitted",
                "fetch.message.max.bytes": 65_536,
            }
        )
        found: dict[tuple[str, int, int], datetime] = {}
        open_places = dict(places)
        deadline = time.monotonic() + self._timeout
        try:
            consumer.assign([TopicPartition(t, p, offset) for (t, p), offset in places.items()])
            while open_places:
                message = consumer.poll(0.5)
                if message is None:
                    if time.monotonic() > deadline:
                        raise UnavailableError(
                            f"Kafka at {self.bootstrap} does not answer: records of {len(open_places)} places"
                        )
                    continue
                place = (message.topic() or "", message.partition() or 0)
                if place not in open_places:
                    continue
                error = message.error()
                if error is None:
                    moment = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
                    found[(*place, open_places[place])] = moment
                elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    raise UnavailableError(f"Kafka at {self.bootstrap}: read {place}: {error.str()}")
                del open_places[place]
                consumer.pause([TopicPartition(*place)])
        finally:
            consumer.close()
        return found

    def committed_offsets(self, group: str) -> Offsets:
        """What a consumer group has committed."""
        futures = self._admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], request_timeout=self._timeout
        )
        found = self._wait(futures[group], f"offsets of group {group}")
        offsets: Offsets = {}
        for item in found.topic_partitions:
            offsets.setdefault(item.topic, {})[item.partition] = item.offset
        return offsets

    @_retried
    def _offsets(self, topics: Iterable[str], spec: Callable[[], Any], isolation: str) -> Offsets:
        level = (
            IsolationLevel.READ_COMMITTED
            if isolation == "read_committed"
            else IsolationLevel.READ_UNCOMMITTED
        )
        identities = [identity for topic in topics if (identity := self.topic_identity(topic)) is not None]
        wanted = {
            TopicPartition(identity.topic, partition): spec()
            for identity in identities
            for partition in range(identity.partitions)
        }
        if not wanted:
            return {}
        futures = self._admin.list_offsets(wanted, isolation_level=level, request_timeout=self._timeout)
        offsets: Offsets = {}
        for place, future in futures.items():
            found = self._wait(future, f"offsets of {place.topic}[{place.partition}]", *_GONE)
            if found is None:
                raise UnavailableError(f"Kafka at {self.bootstrap}: {place.topic} was described, and is away")
            offsets.setdefault(place.topic, {})[place.partition] = found.offset
        return offsets

    def _until_shown(self, name: str, *, there: bool) -> None:
        """A broker answers from its own picture of the cluster, which is behind the controller's."""
        waiting = Retrying(
            retry=retry_if_result(lambda identity: (identity is not None) != there),
            stop=stop_after_delay(self._timeout),
            wait=wait_fixed(0.05),
        )
        try:
            waiting(self.topic_identity, name)
        except RetryError:
            was = "made, and is not shown" if there else "deleted, and is shown"
            raise UnavailableError(f"Kafka at {self.bootstrap}: topic {name} was {was}") from None

    def _wait(self, future: Future[Any], what: str, *expected: int) -> Any:
        """The future's result (True for an empty one), or None for an expected error."""
        try:
            result = future.result(timeout=self._timeout + 5)
        except KafkaException as error:
            cause = error.args[0]
            if cause.code() in expected:
                return None
            message = f"Kafka at {self.bootstrap}: {what}: {cause.str()}"
            if cause.retriable() or cause.code() < 0 or cause.code() in _PASSING:
                raise UnavailableError(message) from None
            raise ConfigurationError(message) from None
        except TimeoutError:
            raise UnavailableError(f"Kafka at {self.bootstrap} does not answer: {what}") from None
        return True if result is None else result
