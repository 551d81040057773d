"""A dead letter that was an accident: its event fits, and is in Kafka."""

from __future__ import annotations

from datetime import UTC, datetime

from confluent_kafka import Consumer, TopicPartition

from cdc.connections import Connections
from cdc.ops import DeadLetter, OpsStore
from cdc.services.reach import kafka_of
from cdc.spec import Pipeline


def plant(pipeline: Pipeline, connections: Connections, ops: OpsStore, table: str, sink: str) -> None:
    """Say of the first event of a table that a sink did not take it."""
    spec = pipeline.table(table)
    topic, stream = pipeline.topic(spec), pipeline.stream(spec.stream)
    kafka = kafka_of(pipeline, connections)
    ends = kafka.end_offsets([topic])[topic]
    partition, offset = next((p, o) for p, o in kafka.earliest_offsets([topic])[topic].items() if o < ends[p])
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "unused", "log_level": 0})
    consumer.assign([TopicPartition(topic, partition, offset)])
    record = consumer.poll(30)
    consumer.close()
    assert record is not None
    assert (record.error(), record.offset()) == (None, offset)
    query, at = stream.query_name(sink), datetime.now(UTC)
    ops.add_dead_letters(
        [
            DeadLetter(
                pipeline.name, stream.name, sink, query, spec.name, topic, partition, offset, at,
                record.key(), record.value(), "DataError", "planted by a test",
            )
        ]
    )  # fmt: skip
