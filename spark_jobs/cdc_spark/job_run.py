"""One stream with what it needs, ready to run: what the driver and the bounded runs begin from."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import SparkSession

from cdc.clients.kafka import KafkaClient
from cdc.connections import Connections
from cdc.ops import OpsStore
from cdc.services.reach import kafka_of
from cdc.spec import Pipeline, SinkSpec, StreamSpec
from cdc_spark.jobs import BaseJob


@dataclass(frozen=True)
class JobRun:
    """A run of one stream.

    Attributes:
        debug: beside the stream, which is not disturbed.
        once: everything that is there, then end.
    """

    spark: SparkSession
    pipeline: Pipeline
    stream: StreamSpec
    sinks: tuple[SinkSpec, ...]
    connections: Connections
    ops: OpsStore
    job: BaseJob
    debug: bool = False
    once: bool = False

    @property
    def kafka(self) -> KafkaClient:
        """The pipeline's Kafka."""
        return kafka_of(self.pipeline, self.connections)
