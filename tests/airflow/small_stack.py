"""The local stack without Airflow's own processes: the tests run the DAGs' tasks in their own process."""

from __future__ import annotations

from local_stack.component import Component
from local_stack.components import all_components


def components() -> tuple[Component, ...]:
    return tuple(component for component in all_components() if not component.name.startswith("airflow-"))
