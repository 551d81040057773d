"""`cdc stream start | stop | pause | resume | orphans`: streams without Airflow."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from cdc.cli.context import Target, find_target, out
from cdc.cli.options import PipelineOption
from cdc.model.desired import Desired
from cdc.services.orphans import orphans_of
from cdc.services.start import start_stream
from cdc.services.streams import stop_all
from cdc.spec import StreamSpec, load_pipelines

app = typer.Typer(no_args_is_help=True, help="Start, pause and stop streams on YARN.")

Names = Annotated[list[str] | None, typer.Argument(help="Streams; all of the pipeline when none is named.")]
GraceOption = Annotated[float, typer.Option(help="Seconds until a driver that does not obey is killed.")]


@app.command()
def start(names: Names = None, pipeline: PipelineOption = None) -> None:
    """Ensure that streams run: find the live driver, submit when there is none. Not one that is paused."""
    _start(find_target(pipeline, None), names, resume=False)


@app.command()
def resume(names: Names = None, pipeline: PipelineOption = None) -> None:
    """Start paused streams where they ended."""
    _start(find_target(pipeline, None), names, resume=True)


@app.command()
def stop(names: Names = None, pipeline: PipelineOption = None, grace: GraceOption = 90.0) -> None:
    """Ask streams to end after the batch they are in, and wait for it."""
    _end(find_target(pipeline, None), names, grace, Desired.STOPPED)


@app.command()
def pause(names: Names = None, pipeline: PipelineOption = None, grace: GraceOption = 90.0) -> None:
    """End streams after their batch until they are resumed; offsets are kept, and nobody is alarmed."""
    _end(find_target(pipeline, None), names, grace, Desired.PAUSED)


@app.command()
def orphans(
    end: Annotated[bool, typer.Option("--end", help="End what is this platform's own.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show drivers and leases that belong to no stream of any pipeline, and second drivers of one stream.

    With --end a driver of a stream that is gone ends after its batch, a second driver is killed, and a lease
    whose driver has ended is given back.
    """
    if as_json and end and not yes:
        raise typer.BadParameter("with --json nobody is asked: add --yes")
    target = find_target(None, None, any_of_several=True)
    pipelines = load_pipelines(target.settings.cdc_pipelines_dir, target.settings.cdc_env)
    with orphans_of(pipelines, target.connections, target.yarn) as left:
        found = left.find()
        if not as_json:
            for orphan in found:
                out.print(orphan.sentence, highlight=False, markup=False)
            if not found:
                out.print("every driver and every lease belongs to a stream")
        wanted = end and bool(found)
        if wanted and not yes:
            typer.confirm("End them?", abort=True)
        ended = left.end(found, by_person=True) if wanted else []
    if as_json:
        told = [asdict(o) | {"sentence": o.sentence, "ended": o in ended} for o in found]
        typer.echo(json.dumps(told))
    elif wanted:
        out.print(f"{len(ended)} of {len(found)} ended", highlight=False)


def _start(target: Target, names: list[str] | None, *, resume: bool) -> None:
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
                resume=resume,
            )


def _end(target: Target, names: list[str] | None, grace: float, desired: Desired) -> None:
    with target.ops() as ops:
        for stopped in stop_all(target.yarn, ops, _chosen(target, names), grace, desired=desired):
            out.print(stopped.sentence, highlight=False)


def _chosen(target: Target, names: list[str] | None) -> list[StreamSpec]:
    if not names:
        return list(target.pipeline.streams)
    return [target.pipeline.stream(name) for name in names]
