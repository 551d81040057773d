"""What brokers answer while topics are being made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cdc.clients.kafka import KafkaClient, Offsets
from local_stack.components.kafka import Kafka
from tests.stack.cdc.conftest import running


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaClient]:
    with running(Kafka()) as stack:
        yield KafkaClient(stack.connections.get("cdc_kafka").bootstrap_servers())


def test_the_ends_of_a_topic_are_known_as_soon_as_it_was_made(kafka: KafkaClient) -> None:
    """For a moment a broker says that it does not lead what it has just been told to lead."""
    names = [f"new-{number}" for number in range(30)]
    found: Offsets = {}
    for name in names:
        kafka.create_topic(name, 3, 3_600_000)
        found |= kafka.end_offsets([name])
    assert found == {name: {0: 0, 1: 0, 2: 0} for name in names}


def test_what_was_made_is_there_and_what_was_deleted_is_gone(kafka: KafkaClient) -> None:
    """A broker answers from its own picture of the cluster, which is a moment behind the controller's."""
    seen = set()
    for _ in range(30):
        kafka.create_topic("again", 1, 3_600_000)
        identity = kafka.topic_identity("again")
        assert identity is not None
        seen.add(identity.topic_id)
        kafka.delete_topics(["again"])
        assert kafka.topic_identity("again") is None
    assert len(seen) == 30
