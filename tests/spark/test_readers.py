"""How Kafka's partitions are read."""

from __future__ import annotations

import time

from cdc.clients.kafka import KafkaClient
from cdc_spark.readers.bounds import Bounds
from cdc_spark.readers.kafka import KafkaReader

PARTITIONS = 8


def test_a_partition_without_more_records_is_not_waited_for(lab):
    bootstrap, topic = lab.connections.get("cdc_kafka").bootstrap_servers(), f"{lab.pipeline.name}.waits"
    assert KafkaClient(bootstrap).create_topic(topic, PARTITIONS, 3_600_000)
    for partition in range(PARTITIONS):
        lab.producer.produce(topic, b"{}", b"1", partition)
    assert lab.producer.flush(30) == 0
    took = []
    for _ in range(3):
        began = time.monotonic()
        frame = KafkaReader(bootstrap, (topic,)).batch(lab.spark, Bounds("earliest"), Bounds("latest"))
        assert len(frame.coalesce(1).collect()) == PARTITIONS
        took.append(time.monotonic() - began)
    # Kafka's own default lets the broker wait half a second for each of them.
    assert min(took) < PARTITIONS * 0.3
