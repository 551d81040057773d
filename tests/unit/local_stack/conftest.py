"""A toy stack in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack.context import REPO, Places
from local_stack.stack import LocalStack


@pytest.fixture
def places(tmp_path: Path) -> Places:
    home = tmp_path / "home"
    home.mkdir()
    return Places(repo=REPO, home=home, jars=tmp_path / "jars")


@pytest.fixture
def stack(places: Places) -> Iterator[LocalStack]:
    env = {**os.environ, "PYTHONPATH": str(REPO)}
    stack = LocalStack(
        places, "tests.unit.local_stack.toy_stack:components", env, prerequisites=lambda *_: None
    )
    yield stack
    stack.stop()
