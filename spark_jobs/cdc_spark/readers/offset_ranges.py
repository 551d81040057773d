"""Kafka's records between two offsets, read by the task that parses them.

Spark decides what a batch covers and keeps it in its checkpoint; the records themselves need not travel
through its JVM and Arrow to reach Python (docs/adr/0031-tasks-read-kafka.md).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from cdc.errors import ConfigurationError, GenerationError, UnavailableError
from cdc_spark.kept import Kept
from cdc_spark.transformations.records import OLD_KEY_HEADER, Records

PATIENCE_S = 30.0
"""How long a task waits for the next record of its range."""
STRETCH = 20_000
"""The most records that are handed on at once."""
STRETCH_BYTES = 16_777_216
"""About as many bytes of values: what a task makes of them is a few times as large."""
_NOTHING_YET = 0.0
_LOST = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)  # noqa: SLF001 confluent's own names
_LASTING = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._BAD_MSG,  # noqa: SLF001
    KafkaError._BAD_COMPRESSION,  # noqa: SLF001
)
"""Errors that the next attempt meets again."""
_SETTINGS: dict[str, Any] = {
    # Required, and never used: nothing is subscribed to and nothing committed.
    "group.id": "cdc-executors",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # Records of aborted transactions are no events.
    "isolation.level": "read_committed",
    # A range can end with a transaction's marker, which is no record: the end says that it was passed.
    "enable.partition.eof": True,
    # Records that retention removed before they were read are lost rows, and nobody may miss it.
    "auto.offset.reset": "error",
    "check.crcs": True,
    # What is read ahead of a range's end is read for nothing.
    "queued.min.messages": STRETCH,
    "queued.max.messages.kbytes": STRETCH_BYTES // 1024,
    "fetch.message.max.bytes": 4_194_304,
    "fetch.max.bytes": STRETCH_BYTES,
    # A full queue is looked at again after this long; the default is a second.
    "fetch.queue.backoff.ms": 2,
    "fetch.wait.max.ms": 3,
    "socket.nagle.disable": True,
    "enable.metrics.push": False,
    "log_level": 0,
    "error_cb": lambda _: None,
}
LOOK_UP_AGAIN_S = 240.0
"""Before librdkafka forgets where partitions are: after 15 minutes, unless they are assigned then."""
_LOOK_UP_LIMIT_S = 10.0


@dataclass
class _Client:
    """A consumer, and when it was told last where each topic's partitions are.

    A topic that it does not know when it is assigned is looked for once a second only.
    """

    consumer: Consumer
    looked_up: dict[str, float] = field(default_factory=dict)

    def look_up(self, topic: str) -> None:
        now = time.monotonic()
        if now - self.looked_up.get(topic, -math.inf) > LOOK_UP_AGAIN_S:
            self.consumer.list_topics(topic, timeout=_LOOK_UP_LIMIT_S)
            self.looked_up[topic] = now


_CLIENTS: Kept[_Client] = Kept()
"""By bootstrap servers."""


@dataclass(frozen=True)
class OffsetRange:
    """Offsets of one partition.

    Attributes:
        start: the first.
        end: the one after the last, which may be a transaction's marker.
    """

    partition: int
    start: int
    end: int


@dataclass(frozen=True)
class RangeReader:
    """Reads ranges of one topic.

    Args:
        bootstrap: Kafka's bootstrap servers.
        topic: the topic.
    """

    bootstrap: str
    topic: str

    def read(self, ranges: Sequence[OffsetRange]) -> Iterator[Records]:
        """The committed records of these ranges.

        Of one range in their order, a stretch at a time; of several, which are small, all at once (unless
        their values are large) and a partition after the other, so that what moved from one partition to
        another is seen whole.

        Raises:
            GenerationError: Kafka does not have them any more.
            ConfigurationError: it refuses them, or they are damaged.
            UnavailableError: Kafka does not answer.
        """
        client = _CLIENTS.pop(self.bootstrap)
        if client is None:
            client = _Client(Consumer({**_SETTINGS, "bootstrap.servers": self.bootstrap}))
        try:
            client.look_up(self.topic)
            stretches = self._read(client.consumer, ranges)
            if len(ranges) > 1:
                stretches = (sorted(messages, key=_place) for messages in _gathered(stretches))
            for messages in stretches:
                yield _records(messages)
        except BaseException as error:
            client.consumer.close()
            if isinstance(error, KafkaException):
                raise self._away(str(error)) from None
            raise
        _CLIENTS.put(self.bootstrap, client)

    def _read(self, consumer: Consumer, ranges: Sequence[OffsetRange]) -> Iterator[list[Message]]:
        ends = {r.partition: r.end for r in ranges}
        consumer.assign([TopicPartition(self.topic, r.partition, r.start) for r in ranges])
        left = set(ends)
        while left:
            messages = self._wait(consumer, left)
            passed = {p for m in messages if (error := m.error()) for p in self._passed(m, error, ends)}
            found = [message for message in messages if message.error() is None]
            last = dict(map(_place, found))
            if any(offset >= ends[partition] for partition, offset in last.items()):
                places = map(_place, found)
                found = [m for m, (p, offset) in zip(found, places, strict=True) if offset < ends[p]]
            passed |= {partition for partition, offset in last.items() if offset >= ends[partition] - 1}
            if found:
                yield found
            if passed := passed & left:
                left -= passed
                consumer.incremental_unassign([TopicPartition(self.topic, p) for p in passed])
        consumer.unassign()

    def _wait(self, consumer: Consumer, left: set[int]) -> list[Message]:
        """What has come, at least one message."""
        deadline = time.monotonic() + PATIENCE_S
        first = None
        while first is None:
            if time.monotonic() > deadline:
                raise self._away(f"no record of partition {sorted(left)} within {PATIENCE_S:.0f} s")
            first = consumer.poll(1.0)
        return [first, *consumer.consume(STRETCH - 1, _NOTHING_YET)]

    def _passed(self, message: Message, error: KafkaError, ends: dict[int, int]) -> tuple[int, ...]:
        """The partition whose end a message that is no record tells of."""
        partition, offset = message.partition(), message.offset()
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            return (partition,) if partition is not None and (offset or 0) >= ends.get(partition, 0) else ()
        if error.code() in _LOST:
            raise lost(f"{self.topic}[{partition}]: {error.str()}")
        if error.code() in _LASTING:
            raise ConfigurationError(
                f"Kafka does not hand out {self.topic}[{partition}]: {error.str()}. Executors need "
                "READ on the topic and on the group `cdc-executors`, and a log that is not damaged"
            )
        raise self._away(f"{self.topic}[{partition}]: {error.str()}")

    def _away(self, why: str) -> UnavailableError:
        return UnavailableError(f"Kafka at {self.bootstrap} does not hand out {self.topic}: {why}")


def lost(detail: str) -> GenerationError:
    """What is said when Kafka no longer has what was not read."""
    return GenerationError(
        f"Kafka no longer has records that this query has not read (retention, or the topic was made anew): "
        f"{detail}. Rows may be missing in the sink. Raise the topic's retention; then stop connector and "
        "stream, close the topic's generation (`cdc generation raise`), start both, and have what is "
        "missing mended: `cdc reconcile --repair`, or `cdc table snapshot` of a changelog"
    )


def _gathered(stretches: Iterable[list[Message]]) -> Iterator[list[Message]]:
    """One of all of them, or several when they are large."""
    held: list[Message] = []
    size = 0
    for messages in stretches:
        held += messages
        size += sum(map(len, messages))
        if size >= STRETCH_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held


def _place(message: Message) -> tuple[Any, Any]:
    return message.partition(), message.offset()


def _records(messages: Sequence[Message]) -> Records:
    keys: list[Any] = [m.key() for m in messages]
    values: list[Any] = [m.value() for m in messages]
    partitions: list[Any] = [m.partition() for m in messages]
    offsets: list[Any] = [m.offset() for m in messages]

    def old_key(position: int) -> bytes | None:
        value = dict(messages[position].headers() or ()).get(OLD_KEY_HEADER)
        return value.encode() if isinstance(value, str) else value

    return Records(keys, values, partitions, offsets, old_key)
