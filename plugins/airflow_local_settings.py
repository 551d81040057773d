"""Loads, once for each Airflow process, what its DAG files and tasks import.

Airflow imports this module while it starts, and later forks a process for each parse of a DAG file and for
each task. What is loaded before the fork is shared; without this each of them imports for half a second.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

__all__: list[str] = []

_packages = ["cdc.clients", "cdc.ops", "cdc.services", "cdc.spec"]
# What began with a module of `cdc_airflow` is no process of Airflow's, and has that module half loaded.
if "cdc_airflow" not in sys.modules:
    _packages += [f"cdc_airflow.{name}" for name in ("notifications", "operators", "sensors", "triggers")]
for _package in map(importlib.import_module, _packages):
    for _module in pkgutil.iter_modules(_package.__path__, f"{_package.__name__}."):
        importlib.import_module(_module.name)
