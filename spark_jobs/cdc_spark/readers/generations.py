"""The generations of topics, from the ops store, once Kafka's topics are known to be the recorded ones."""

from __future__ import annotations

from cdc.clients.kafka import KafkaClient
from cdc.errors import UnavailableError
from cdc.model.generations import Generations, check_topic
from cdc.ops import OpsStore


def checked_generations(topics: tuple[str, ...], kafka: KafkaClient, ops: OpsStore) -> Generations:
    """The recorded generations, after a look at whether the topics are still the recorded ones.

    Raises:
        GenerationError: a topic is another one now.
        UnavailableError: Kafka or the ops store does not answer, or `cdc apply` has not made the topic yet.
    """
    for topic in topics:
        actual, recorded = kafka.topic_identity(topic), ops.topic_identity(topic)
        if actual is None or recorded is None:
            where = "in Kafka" if actual is None else "recorded in the ops store"
            raise UnavailableError(f"topic {topic} is not {where} yet: run `cdc apply`")
        check_topic(recorded, actual)
    return ops.generations(topics)
