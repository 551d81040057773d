"""Kafka, and Connect on top of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from local_stack.component import StackContext
from local_stack.components.connect import Connect
from local_stack.components.kafka import Kafka, log_dir
from tests.stack.components.running import Runner


@pytest.fixture(scope="module")
def kafka(runner: Runner) -> Iterator[Kafka]:
    kafka = Kafka()
    runner.start(kafka)
    yield kafka
    assert runner.stop(kafka) in {0, 143}


@pytest.fixture(scope="module")
def connect(runner: Runner, kafka: Kafka) -> Iterator[Connect]:
    connect = Connect()
    runner.start(connect)
    yield connect
    assert runner.stop(connect) in {0, 143}


def bootstrap(ctx: StackContext) -> dict[str, str | int | float | bool]:
    return {"bootstrap.servers": f"127.0.0.1:{ctx.ports['kafka']}"}


class TestKafka:
    def test_acknowledged_records_survive_a_kill(
        self, ctx: StackContext, runner: Runner, kafka: Kafka
    ) -> None:
        admin = AdminClient(bootstrap(ctx))
        admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])["kept"].result(20)
        producer = Producer({**bootstrap(ctx), "acks": "all"})
        for number in range(100):
            producer.produce("kept", key=str(number), value=b"x" * 1000)
        assert producer.flush(20) == 0

        runner.kill_and_start(kafka)

        consumer = Consumer({**bootstrap(ctx), "group.id": "test", "auto.offset.reset": "earliest"})
        consumer.subscribe(["kept"])
        keys: list[bytes | str | None] = []
        for _ in range(60):
            keys += [message.key() for message in consumer.consume(100, timeout=0.5) if not message.error()]
            if len(keys) >= 100:
                break
        consumer.close()
        assert keys == [str(number).encode() for number in range(100)]

    def test_a_topic_that_nobody_created_is_not_there(self, ctx: StackContext, kafka: Kafka) -> None:
        producer = Producer({**bootstrap(ctx), "message.timeout.ms": 3000})
        errors: list[object] = []
        producer.produce("misspelt", value=b"x", on_delivery=lambda error, _: errors.append(error))
        producer.flush(10)
        assert errors[0] is not None
        with pytest.raises(KafkaException):
            AdminClient(bootstrap(ctx)).delete_topics(["misspelt"])["misspelt"].result(10)

    def test_a_large_event_is_taken(self, ctx: StackContext, kafka: Kafka) -> None:
        admin = AdminClient(bootstrap(ctx))
        admin.create_topics([NewTopic("large", num_partitions=1, replication_factor=1)])["large"].result(20)
        producer = Producer({**bootstrap(ctx), "message.max.bytes": 10 << 20})
        errors: list[object] = []
        producer.produce("large", value=b"x" * (9 << 20), on_delivery=lambda error, _: errors.append(error))
        producer.flush(20)
        assert errors == [None]


class TestConnect:
    def test_the_worker_of_another_kafka_is_not_taken_for_this_one(
        self, ctx: StackContext, connect: Connect, tmp_path: Path
    ) -> None:
        foreign = replace(ctx, home=tmp_path)
        folder = log_dir(foreign)
        folder.mkdir()
        (folder / "meta.properties").write_text("cluster.id=AnotherClustersIdentity")
        assert "another Kafka" in (Kafka().probe(foreign) or "")
        assert "another Connect" in (connect.probe(foreign) or "")

    def test_debezium_is_on_the_plugin_path(self, ctx: StackContext, connect: Connect) -> None:
        plugins = requests.get(f"{connect.url(ctx)}/connector-plugins", timeout=10).json()
        assert "io.debezium.connector.postgresql.PostgresConnector" in {p["class"] for p in plugins}

    def test_an_invalid_connector_is_named_field_by_field(self, ctx: StackContext, connect: Connect) -> None:
        name = "io.debezium.connector.postgresql.PostgresConnector"
        url = f"{connect.url(ctx)}/connector-plugins/{name}/config/validate"
        answer = requests.put(url, json={"connector.class": name, "name": "bad"}, timeout=30).json()
        wrong = {config["value"]["name"] for config in answer["configs"] if config["value"]["errors"]}
        assert "database.hostname" in wrong

    def test_it_is_back_after_a_kill(self, ctx: StackContext, runner: Runner, connect: Connect) -> None:
        runner.kill_and_start(connect)
        assert requests.get(f"{connect.url(ctx)}/connectors", timeout=10).json() == []
