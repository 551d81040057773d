"""What Kafka keeps against what is still unread, asked of a real broker and a real ops store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from cdc.clients.kafka import KafkaClient
from cdc.connections import Connections
from cdc.model.health import Level, Verdict
from cdc.model.retention import judge_retention
from cdc.ops import BatchProgress, OpsStore
from cdc.services.retention import sample_retention
from cdc.spec import Pipeline
from local_stack.components.kafka import Kafka
from tests.stack.cdc.conftest import running

HOUR = timedelta(hours=1)


@dataclass
class Place:
    """Topics with events of some age, and queries that have read some of them."""

    pipeline: Pipeline
    connections: Connections
    ops: OpsStore

    def __post_init__(self) -> None:
        self.bootstrap = self.connections.get("cdc_kafka").bootstrap_servers()
        self.kafka = KafkaClient(self.bootstrap)

    def topic(self, table: str) -> str:
        return self.pipeline.topic(self.pipeline.table(table))

    def make(self, table: str, retention: timedelta, *ages: timedelta) -> None:
        """A topic of one partition with an event of each age, as a producer would have stamped it then."""
        topic = self.topic(table)
        self.kafka.create_topic(topic, 1, int(retention.total_seconds() * 1000))
        producer = Producer({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for age in ages:
            at = time.time() - age.total_seconds()
            producer.produce(topic, b"{}", b"k", 0, timestamp=int(at * 1000))
        assert producer.flush(30) == 0

    def read(self, table: str, until: int, *sinks: str) -> None:
        stream = self.pipeline.stream(self.pipeline.table(table).stream)
        for sink in sinks or ("clickhouse", "warehouse"):
            query, now = stream.query_name(sink), datetime.now(UTC)
            self.ops.record_progress(
                BatchProgress(
                    self.pipeline.name, stream.name, sink, query, until, now, now,
                    until_offsets={self.topic(table): {0: until}},
                )
            )  # fmt: skip

    def remove(self, table: str, until: int) -> None:
        """As Kafka's retention does."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for done in admin.delete_records([TopicPartition(self.topic(table), 0, until)]).values():
            done.result(30)

    def judged(self) -> dict[str, Verdict]:
        policy = self.pipeline.policies.maintenance
        samples = sample_retention(self.pipeline, self.connections)
        return {sample.topic: judge_retention(sample, policy) for sample in samples}


@pytest.fixture(scope="module")
def place(postgres: Any, pipeline: Pipeline) -> Iterator[Place]:
    ops = postgres.create_database("retention").model_copy(update={"id": "cdc_ops"})
    with running(Kafka()) as stack, OpsStore(ops) as store:
        store.ensure_schema()
        yield Place(pipeline, Connections([ops, stack.connections.get("cdc_kafka")]), store)


def test_a_topic_that_was_not_made_yet_is_no_verdict(place: Place) -> None:
    assert place.judged() == {}


def test_a_query_without_a_batch_has_everything_to_read(place: Place) -> None:
    place.make("orders_fact", 168 * HOUR, 9 * HOUR, 3 * HOUR)
    place.read("orders_fact", 2, "clickhouse")
    verdict = place.judged()[place.topic("orders_fact")]
    assert verdict.level is Level.OK
    assert "for 7 d, ecommerce.orders.warehouse, which has no batch yet, is 9 h behind" in verdict.sentence
    place.remove("orders_fact", 1)
    verdict = place.judged()[place.topic("orders_fact")]
    assert verdict.level is Level.BREACH
    assert "1 of ecommerce.orders.warehouse, which has no batch yet," in verdict.sentence


def test_events_that_all_have_been_read_need_only_the_time_of_a_replay(place: Place) -> None:
    place.make("customers", 168 * HOUR, 9 * HOUR, 3 * HOUR)
    place.read("customers", 2)
    verdict = place.judged()[place.topic("customers")]
    assert verdict.level is Level.OK
    assert "keeps events for 7 d, every query has read everything" in verdict.sentence


def test_the_oldest_unread_event_of_the_slowest_query_counts(place: Place) -> None:
    place.make("products", 12 * HOUR, 9 * HOUR, 8 * HOUR, 1 * HOUR)
    place.read("products", 2, "clickhouse")
    place.read("products", 1, "warehouse")
    verdict = place.judged()[place.topic("products")]
    assert verdict.level is Level.BREACH
    assert (
        "for 12 h, ecommerce.products.warehouse is 8 h behind: only 3 h 59 min are left" in verdict.sentence
    )
    # The limit is six hours, the policy's horizon.
    place.read("products", 2, "warehouse")
    assert place.judged()[place.topic("products")].level is Level.OK


def test_a_parked_table_holds_on_to_where_its_parking_began(place: Place) -> None:
    place.read("products", 3)
    place.ops.park("ecommerce", "products", "clickhouse", "why", {0: 0})
    verdict = place.judged()[place.topic("products")]
    assert verdict.level is Level.BREACH
    assert "products, parked in clickhouse, is 9 h behind" in verdict.sentence


def test_what_was_removed_unread_is_counted(place: Place) -> None:
    place.remove("products", 2)
    verdict = place.judged()[place.topic("products")]
    assert verdict.level is Level.BREACH
    assert "removed events that were not read yet: 2 of products, parked in clickhouse," in verdict.sentence
