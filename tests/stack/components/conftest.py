"""The context of real components, on free ports in a folder of their own."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack.component import PortSpec, StackContext
from local_stack.components import all_components
from local_stack.context import Places
from local_stack.envfile import render_env
from local_stack.java import find_java
from local_stack.ports import OTHERS, PortClaims, choose_ports
from tests.stack.components.running import Runner


@pytest.fixture(scope="module")
def claims() -> Iterator[PortClaims]:
    with PortClaims() as claims:
        yield claims


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory, claims: PortClaims) -> StackContext:
    places = Places.from_environment(os.environ)
    components = all_components()
    names = [spec.name for component in components for spec in component.ports]
    specs = [PortSpec(name, random.choice(OTHERS)) for name in names]
    ctx = StackContext(
        repo=places.repo,
        home=tmp_path_factory.mktemp("stack"),
        jars=places.jars,
        java_home=find_java(os.environ),
        python=Path(sys.executable),
        ports=choose_ports(specs, {}, claims.claim),
        secrets={name: f"p-{name}-0123456789" for component in components for name in component.secrets},
    )
    exports = {key: value for c in components for key, value in c.exports(ctx).items()}
    entries = {key: value for c in components for key, value in c.connections(ctx).items()}
    ctx.env_file.write_text(render_env({"CDC_HOME": str(ctx.home), **exports}))
    ctx.connections_file.write_text(json.dumps(entries))
    return ctx


@pytest.fixture(scope="module")
def runner(ctx: StackContext) -> Iterator[Runner]:
    runner = Runner(ctx)
    yield runner
    runner.stop_all()
