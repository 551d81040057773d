"""What every command needs: the settings, the pipeline that is meant, its file, the connections."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.console import Console

from cdc.clients.yarn import YarnClient
from cdc.connections import Connections
from cdc.errors import ConfigurationError
from cdc.ops import OpsStore
from cdc.services.reach import yarn_of
from cdc.settings import Settings
from cdc.spec import Pipeline, load_pipelines

out = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)


@dataclass(frozen=True)
class Target:
    """The pipeline that a command is about."""

    pipeline: Pipeline
    file: Path
    settings: Settings

    @cached_property
    def connections(self) -> Connections:
        """The connections of this process."""
        return Connections.from_file(self.settings.cdc_connections_file)

    @cached_property
    def yarn(self) -> YarnClient:
        """YARN's ResourceManager."""
        return yarn_of(self.connections)

    @contextlib.contextmanager
    def ops(self) -> Iterator[OpsStore]:
        """The ops store, with its schema."""
        with OpsStore(self.connections.get(self.pipeline.ops.connection)) as store:
            store.ensure_schema()
            yield store


def find_target(name: str | None, env: str | None, *, any_of_several: bool = False) -> Target:
    """Find the pipeline of that name, or the only one; the first, for a command that is about all.

    Raises:
        SpecError: a pipeline file is invalid.
        ConfigurationError: there is none of that name, or several and no name.
    """
    settings = Settings(cdc_env=env) if env else Settings()
    folder = settings.cdc_pipelines_dir
    pipelines = load_pipelines(folder, settings.cdc_env)
    chosen = [pipeline for pipeline in pipelines if name in (None, pipeline.name)]
    chosen = chosen[:1] if any_of_several else chosen
    if len(chosen) != 1:
        known = ", ".join(pipeline.name for pipeline in pipelines)
        asked = f"no pipeline {name!r}" if name else "more than one pipeline: name one with --pipeline"
        raise ConfigurationError(f"{asked}; {folder} has: {known}")
    # Files are loaded in the order of their names, as here.
    file = sorted(folder.glob("*.yaml"))[pipelines.index(chosen[0])]
    return Target(chosen[0], file, settings)
