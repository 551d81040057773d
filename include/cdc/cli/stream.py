"""`cdc stream start | stop`: a stream without Airflow."""

from __future__ import annotations

from typing import Annotated

import typer

from cdc.cli.context import Target, find_target, out
from cdc.services.start import start_stream
from cdc.services.streams import stop_all
from cdc.spec import StreamSpec

app = typer.Typer(no_args_is_help=True, help="Start and stop streams on YARN.")

Names = Annotated[list[str] | None, typer.Argument(help="Streams; all of the pipeline when none is named.")]
PipelineOption = Annotated[str | None, typer.Option("--pipeline", help="The pipeline's name.")]


@app.command()
def start(names: Names = None, pipeline: PipelineOption = None) -> None:
    """Ensure that streams run: find the live driver, submit when there is none."""
    target = find_target(pipeline, None)
    with target.ops() as ops:
        for stream in _chosen(target, names):
            start_stream(
                target.pipeline,
                stream,
                target.file,
                target.settings,
                target.yarn,
                ops,
                lambda step: out.print(step, highlight=False),
            )


@app.command()
def stop(
    names: Names = None,
    pipeline: PipelineOption = None,
    grace: Annotated[float, typer.Option(help="Seconds until a driver that does not obey is killed.")] = 90.0,
) -> None:
    """Ask streams to end after the batch they are in, and wait for it."""
    target = find_target(pipeline, None)
    with target.ops() as ops:
        for stopped in stop_all(target.yarn, ops, _chosen(target, names), grace):
            out.print(stopped.sentence, highlight=False)


def _chosen(target: Target, names: list[str] | None) -> list[StreamSpec]:
    if not names:
        return list(target.pipeline.streams)
    return [target.pipeline.stream(name) for name in names]
