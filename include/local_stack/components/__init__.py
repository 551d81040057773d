"""The components of the local stack, in the order in which they start."""

from __future__ import annotations

from local_stack.component import Component
from local_stack.components.airflow import (
    AirflowApiServer,
    AirflowDagProcessor,
    AirflowScheduler,
    AirflowTriggerer,
)
from local_stack.components.airflow_environment import airflow_environment
from local_stack.components.clickhouse import ClickHouse
from local_stack.components.connect import Connect
from local_stack.components.control import Control
from local_stack.components.kafka import Kafka
from local_stack.components.smtp import Smtp
from local_stack.components.source import Source
from local_stack.components.spark import spark_environment
from local_stack.components.warehouse import Warehouse
from local_stack.components.yarn import NodeManager, ResourceManager, stop_leftover_containers


def all_components() -> tuple[Component, ...]:
    """Every component, in start order."""
    return (
        Source(),
        Warehouse(),
        Control(),
        Kafka(),
        Connect(),
        ClickHouse(),
        Smtp(),
        ResourceManager(),
        NodeManager(),
        AirflowApiServer(),
        AirflowScheduler(),
        AirflowDagProcessor(),
        AirflowTriggerer(),
    )


__all__ = ["airflow_environment", "all_components", "spark_environment", "stop_leftover_containers"]
