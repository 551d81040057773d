"""A running stack as the main job sees it: its pipelines, connections and samplers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from cdc.connections import Connections
from cdc.spec import Pipeline, load_pipelines
from local_stack import streams
from local_stack.component import StackContext
from local_stack.job.airflow_api import AirflowApi
from local_stack.job.launch import PipelineLauncher, Say
from local_stack.job.sample import Sample
from local_stack.job.sampler import Sampler


class JobSession:
    """Pipelines, connections and one sampler for each pipeline of a running stack; a context manager."""

    def __init__(self, ctx: StackContext) -> None:
        """Read `stack.env`, the connections and the pipeline files."""
        self.ctx = ctx
        self.env: Mapping[str, str] = ctx.stack_env()
        self.connections = Connections.from_file(ctx.connections_file)
        self.pipelines: tuple[Pipeline, ...] = load_pipelines(
            Path(self.env["CDC_PIPELINES_DIR"]), self.env["CDC_ENV"]
        )
        self.api = AirflowApi.from_env(self.env)
        self.samplers = tuple(
            Sampler(pipeline, self.connections, lambda: streams.states(ctx)) for pipeline in self.pipelines
        )

    def __enter__(self) -> Self:
        """Nothing is opened before it is needed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what was opened."""
        for sampler in self.samplers:
            sampler.close()

    @property
    def source_dsn(self) -> str:
        """The sample's source, as the role that owns its tables."""
        return self.connections.get(self.pipelines[0].source.admin_connection).dsn()

    @property
    def sink_names(self) -> tuple[str, ...]:
        """The sinks' names, in the order in which pipelines name them."""
        return tuple(dict.fromkeys(sink.name for pipeline in self.pipelines for sink in pipeline.sinks))

    def launch(self, say: Say, since: datetime) -> None:
        """Have Airflow bring the pipelines up; raises as `PipelineLauncher.launch`."""
        PipelineLauncher(self.api, say).launch(self.pipelines, since)

    def sample(self) -> Sample:
        """One sample over all pipelines."""
        taken = [sampler.take() for sampler in self.samplers]
        problems = dict.fromkeys(problem for sample in taken for problem in sample.problems)
        return Sample(taken[0].at, tuple(t for sample in taken for t in sample.tables), tuple(problems))
