"""The components of the local stack, in the order in which they start."""

from __future__ import annotations

from collections.abc import Callable

from local_stack.component import Component, StackContext
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


def data_components() -> tuple[Component, ...]:
    """What carries data, without Airflow: for work that starts and stops streams itself."""
    beside = (Smtp, AirflowApiServer, AirflowScheduler, AirflowDagProcessor, AirflowTriggerer)
    return tuple(component for component in all_components() if not isinstance(component, beside))


def before_stop() -> tuple[Callable[[StackContext], None], ...]:
    """What the supervisor calls before it stops the components."""
    return (stop_streams,)


def stop_streams(ctx: StackContext) -> None:
    """End every stream between two batches."""
    from local_stack import streams  # its clients need a second to import, which only a stop should take

    streams.stop_all(ctx)


__all__ = [
    "airflow_environment",
    "all_components",
    "before_stop",
    "data_components",
    "spark_environment",
    "stop_leftover_containers",
]
