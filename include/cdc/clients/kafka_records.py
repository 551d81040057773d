"""Kafka: the records of a topic, up to where it ends now."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from cdc.errors import UnavailableError

TIMEOUT_S = 30.0


def read_values(
    bootstrap: str, topic: str, begin: Mapping[int, int]
) -> Iterator[tuple[int, int, bytes | None]]:
    """Partition, offset and value of each committed record, in the order of each partition.

    Args:
        bootstrap: `host:port`, comma-separated.
        topic: an existing one.
        begin: by partition, where to begin; where Kafka has no such offset any more, at the oldest record.

    Raises:
        UnavailableError: Kafka does not answer.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "cdc-look",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "log_level": 0,
            "error_cb": lambda _: None,
        }
    )
    unread = set(begin)
    deadline = time.monotonic() + TIMEOUT_S
    try:
        consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in begin.items()])
        while unread:
            message = consumer.poll(0.5)
            if message is None:
                if time.monotonic() > deadline:
                    raise UnavailableError(f"Kafka at {bootstrap} does not answer: records of {topic}")
                continue
            deadline = time.monotonic() + TIMEOUT_S
            partition, error = message.partition() or 0, message.error()
            if error is None:
                yield partition, message.offset() or 0, message.value()
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                unread.discard(partition)
            else:
                raise UnavailableError(f"Kafka at {bootstrap}: read {topic}: {error.str()}")
    except KafkaException as error:
        raise UnavailableError(f"Kafka at {bootstrap}: read {topic}: {error.args[0].str()}") from None
    finally:
        consumer.close()
