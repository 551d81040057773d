"""Kafka as a stream, or as a bounded batch that reads offsets again."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from cdc.model.bounds import Bounds, Offsets

_OPTIONS = {
    # Records of aborted transactions are no events.
    "kafka.isolation.level": "read_committed",
    "includeHeaders": "true",
    # Records that retention removed before they were read are lost rows, and nobody may miss it.
    "failOnDataLoss": "true",
    "kafkaConsumer.pollTimeoutMs": "30000",
    # After each poll Spark asks for the partition's offsets, on a connection where the consumer's next fetch
    # is under way already; without a record to come the broker answers that one first, after this long.
    "kafka.fetch.max.wait.ms": "10",
    "fetchOffset.numRetries": "5",
    "fetchOffset.retryIntervalMs": "200",
}


@dataclass(frozen=True)
class KafkaReader:
    """Reads topics.

    Args:
        bootstrap: Kafka's bootstrap servers.
        topics: what to read.
        max_offsets: the most that one batch of the stream takes.
    """

    bootstrap: str
    topics: tuple[str, ...]
    max_offsets: int = 200_000

    def stream(self, spark: SparkSession, begins: Offsets | None = None) -> DataFrame:
        """The topics on and on: from the checkpoint's end, else from `begins`, else from their beginning."""
        return (
            spark.readStream.format("kafka")
            .options(**_OPTIONS)
            .option("kafka.bootstrap.servers", self.bootstrap)
            .option("subscribe", ",".join(self.topics))
            .option("startingOffsets", "earliest" if begins is None else _text(begins))
            .option("maxOffsetsPerTrigger", self.max_offsets)
            .load()
        )

    def batch(self, spark: SparkSession, since: Bounds, until: Bounds) -> DataFrame:
        """The topics between two bounds, `until` excluded.

        Offsets name the partitions that are read; a time or a word reads them all.
        """
        reader = (
            spark.read.format("kafka").options(**_OPTIONS).option("kafka.bootstrap.servers", self.bootstrap)
        )
        if since.offsets is not None or until.offsets is not None:
            start, end = _aligned(since.offsets, until.offsets)
            named = {topic: sorted(partitions) for topic, partitions in (start or end or {}).items()}
            reader = reader.option("assign", json.dumps(named))
            reader = reader.option("startingOffsets", _text(start) if start else "earliest")
            return reader.option("endingOffsets", _text(end) if end else "latest").load()
        reader = reader.option("subscribe", ",".join(self.topics))
        for option, bound in (("starting", since), ("ending", until)):
            if bound.timestamp_ms is not None:
                reader = reader.option(f"{option}Timestamp", bound.timestamp_ms)
            else:
                reader = reader.option(f"{option}Offsets", bound.word)
        return reader.option("startingOffsetsByTimestampStrategy", "latest").load()


def _aligned(start: Offsets | None, end: Offsets | None) -> tuple[Offsets | None, Offsets | None]:
    """The same partitions on both sides: -2 is Kafka's earliest, -1 its latest."""
    if start is None or end is None:
        return start, end
    topics = {*start, *end}
    both = {topic: {*start.get(topic, {}), *end.get(topic, {})} for topic in topics}
    return (
        {t: {p: start.get(t, {}).get(p, -2) for p in parts} for t, parts in both.items()},
        {t: {p: end.get(t, {}).get(p, -1) for p in parts} for t, parts in both.items()},
    )


def _text(offsets: Offsets) -> str:
    return json.dumps({topic: {str(p): o for p, o in parts.items()} for topic, parts in offsets.items()})
