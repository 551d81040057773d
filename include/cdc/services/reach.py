"""Clients of the services that a pipeline's connections lead to."""

from __future__ import annotations

from cdc.clients.connect import ConnectClient
from cdc.clients.kafka import KafkaClient
from cdc.clients.yarn import YarnClient
from cdc.connections import YARN, Connections
from cdc.spec import Pipeline

TIMEOUT_S = 10.0


def kafka_of(pipeline: Pipeline, connections: Connections, timeout_s: float = TIMEOUT_S) -> KafkaClient:
    """The pipeline's Kafka."""
    return KafkaClient(connections.get(pipeline.kafka.connection).bootstrap_servers(), timeout_s)


def connect_of(pipeline: Pipeline, connections: Connections) -> ConnectClient:
    """The pipeline's Kafka Connect."""
    return ConnectClient(connections.get(pipeline.connect.connection).url())


def yarn_of(connections: Connections, timeout_s: float = TIMEOUT_S) -> YarnClient:
    """YARN's ResourceManager, which all pipelines share."""
    return YarnClient(connections.get(YARN).url(), timeout_s)
