"""The compose file and the local stack's own description of itself, side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from local_stack.component import Component, StackContext
from local_stack.components import all_components

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """`docker-compose.yaml` with its anchors and merges resolved; variables stay as they are written."""
    document: dict[str, Any] = YAML(typ="safe").load(REPOSITORY / "docker-compose.yaml")
    return document


@pytest.fixture(scope="session")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


@pytest.fixture(scope="session")
def components() -> dict[str, Component]:
    return {component.name: component for component in all_components()}


@pytest.fixture(scope="session")
def local(components: dict[str, Component], tmp_path_factory: pytest.TempPathFactory) -> StackContext:
    """A local stack's context with its preferred ports; nothing is started."""
    home = tmp_path_factory.mktemp("home")
    specs = [spec for component in components.values() for spec in component.ports]
    names = {name for component in components.values() for name in component.secrets}
    return StackContext(
        repo=REPOSITORY,
        home=home,
        jars=home / "jars",
        java_home=home / "java",
        python=Path(sys.executable),
        ports={spec.name: spec.preferred for spec in specs},
        secrets={name: f"secret-of-{name}" for name in names},
    )
