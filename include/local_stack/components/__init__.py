"""The components of the local stack, in the order in which they start."""

from __future__ import annotations

from local_stack.component import Component
from local_stack.components.connect import Connect
from local_stack.components.control import Control
from local_stack.components.kafka import Kafka
from local_stack.components.smtp import Smtp
from local_stack.components.source import Source
from local_stack.components.warehouse import Warehouse


def all_components() -> tuple[Component, ...]:
    """Every component, in start order."""
    return (Source(), Warehouse(), Control(), Kafka(), Connect(), Smtp())
