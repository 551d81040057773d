"""Kafka: records that arrive together or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException, Producer

from cdc.errors import UnavailableError

# The most that brokers allow by default; a transaction that takes longer is aborted by the broker.
TRANSACTION_MS = 900_000
TIMEOUT_S = 60.0


def produce_together(
    bootstrap: str,
    transactional_id: str,
    topic: str,
    values: Iterable[bytes],
    extra: Mapping[str, Any] | None = None,
) -> int:
    """Write records without a key in one transaction, which ends one of the same id that was left open.

    Args:
        bootstrap: `host:port`, comma-separated.
        transactional_id: names the writer; two of one name fence each other off.
        topic: an existing one.
        values: of the records, in their order.
        extra: more client settings, such as those of a secured cluster.

    Returns:
        How many records there are.

    Raises:
        UnavailableError: Kafka does not take them; nobody sees any of them.
    """
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": TRANSACTION_MS,
            "linger.ms": 50,
            "log_level": 0,
            "error_cb": lambda _: None,
            **(extra or {}),
        }
    )
    try:
        producer.init_transactions(TIMEOUT_S)
        producer.begin_transaction()
        try:
            count = 0
            for value in values:
                _produce(producer, topic, value)
                count += 1
            producer.commit_transaction(TIMEOUT_S)
        except BaseException:
            # What is left open holds back everything behind it in the topic.
            producer.abort_transaction(TIMEOUT_S)
            raise
    except KafkaException as error:
        cause = error.args[0]
        raise UnavailableError(f"Kafka at {bootstrap}: write to {topic}: {cause.str()}") from None
    return count


def _produce(producer: Producer, topic: str, value: bytes) -> None:
    while True:
        try:
            producer.produce(topic, value)
            producer.poll(0)
            return
        except BufferError:
            producer.poll(1.0)
