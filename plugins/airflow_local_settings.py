"""Loads, once for each Airflow process, what its DAG files and tasks import.

Airflow imports this module while it starts, and later forks a process for each parse of a DAG file and for
each task. What is loaded before the fork is shared; without this each of them imports for half a second.
"""

from __future__ import annotations

import importlib
import pkgutil

import cdc.clients
import cdc.ops
import cdc.services
import cdc.spec
import cdc_airflow.notifications
import cdc_airflow.operators
import cdc_airflow.sensors
import cdc_airflow.triggers

__all__: list[str] = []

for _package in (
    cdc.clients,
    cdc.ops,
    cdc.services,
    cdc.spec,
    cdc_airflow.notifications,
    cdc_airflow.operators,
    cdc_airflow.sensors,
    cdc_airflow.triggers,
):
    for _module in pkgutil.iter_modules(_package.__path__, f"{_package.__name__}."):
        importlib.import_module(_module.name)
