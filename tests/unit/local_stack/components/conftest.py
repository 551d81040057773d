"""A context with every port and secret that the components declare, and nothing started."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local_stack.component import StackContext
from local_stack.components import all_components
from local_stack.context import REPO


@pytest.fixture
def ctx(tmp_path: Path) -> StackContext:
    components = all_components()
    specs = [spec for component in components for spec in component.ports]
    return StackContext(
        repo=REPO,
        home=tmp_path,
        jars=tmp_path / "jars",
        java_home=tmp_path / "java",
        python=Path(sys.executable),
        ports={spec.name: 21000 + number for number, spec in enumerate(specs)},
        secrets={name: f"p@ss/{name}" for component in components for name in component.secrets},
    )
