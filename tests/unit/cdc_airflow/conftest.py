"""Airflow reads its settings at the first import: they must not come from, or go to, the user's own home."""

from __future__ import annotations

import runpy
from pathlib import Path

_environment = runpy.run_path(str(Path(__file__).resolve().parents[2] / "airflow" / "environment.py"))
_environment["set_environment"]()


def pytest_unconfigure() -> None:
    _environment["remove_home"]()
