"""`cdc table list | park | resume | snapshot`: put a table aside in a sink, bring it back, read it anew."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from cdc.cli import render
from cdc.cli.context import Target, errors, find_target, out
from cdc.cli.options import EnvOption, PipelineOption
from cdc.services import parked_tables as service
from cdc.services.changelog_snapshot import ChangelogSnapshot
from cdc.services.effective import effective_pipeline
from cdc.services.reach import kafka_of

app = typer.Typer(no_args_is_help=True, help="Park and resume tables.")

TableArgument = Annotated[
    str, typer.Argument(metavar="TABLE", help="schema.table at the source, or its name in the sinks.")
]
SinkOption = Annotated[str | None, typer.Option("--sink", help="Only in this sink; by default in all.")]


@app.command("list")
def list_(
    pipeline: PipelineOption = None,
    env: EnvOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which tables flow, which are parked since where and why, and how much waits."""
    target = find_target(pipeline, env)
    kafka = kafka_of(target.pipeline, target.connections)
    with target.ops() as ops:
        states = service.table_states(target.pipeline, ops, kafka)
    if as_json:
        typer.echo(json.dumps([asdict(state) for state in states], indent=2))
    else:
        out.print(render.table_states(states))


@app.command()
def park(
    table: TableArgument,
    sink: SinkOption = None,
    reason: Annotated[str, typer.Option(help="Shown to everybody who looks.")] = "parked by hand",
    pipeline: PipelineOption = None,
    env: EnvOption = None,
) -> None:
    """Stop writing a table from the next batch on; its events stay in Kafka, the other tables go on."""
    target = find_target(pipeline, env)
    spec, sinks = target.pipeline.table(table), _sinks(target, sink)
    with target.ops() as ops:
        service.park_table(target.pipeline, spec, sinks, reason, ops)
    out.print(
        f"[yellow]parked[/] {spec.name} in {', '.join(sinks)}; Kafka keeps its events for "
        f"{target.pipeline.kafka.retention_hours} hours, `cdc table resume {spec.name}` before that",
        highlight=False,
    )


@app.command()
def resume(
    table: TableArgument,
    sink: SinkOption = None,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Begin at Kafka's first offset if earlier ones are gone.")
    ] = False,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
) -> None:
    """Read what was skipped again, with the original versions, and let the stream write the table again.

    It may be interrupted and run again at any time; the stream may run or not.
    """
    target = find_target(pipeline, env)
    spec, sinks = target.pipeline.table(table), _sinks(target, sink)
    with target.ops() as ops:
        parked = [item.sink for item in ops.parked(target.pipeline.name) if item.table == spec.name]
        service.check_resumable(target.pipeline, spec, ops)
    chosen = [name for name in sinks if name in parked]
    if not chosen:
        out.print(f"{spec.name} is not parked in {', '.join(sinks)}", highlight=False)
        return
    errors.print(f"resuming {spec.name} in {', '.join(chosen)}", highlight=False)
    service.resume_table(target.pipeline, spec, chosen, target.file, target.settings, accept_loss=accept_loss)
    out.print(f"[green]resumed[/] {spec.name} in {', '.join(chosen)}", highlight=False)


@app.command()
def snapshot(
    table: TableArgument,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
) -> None:
    """Read the rows of a changelog anew, for both sinks; what it had before counts no more.

    The table is locked against writers for a moment. Its stream and the other tables go on.
    """
    target = find_target(pipeline, env)
    with target.ops() as ops:
        effective, began = effective_pipeline(target.pipeline, ops), ops.clock()
        spec = effective.table(table)
        rows = ChangelogSnapshot(effective, target.connections, spec).take_again()
        # What the sinks had before counts no more once they have written these.
        ops.close_gaps(effective.name, spec.name, [sink.name for sink in effective.sinks], began)
    out.print(f"[green]read[/] {rows:,} rows of {spec.source} anew", highlight=False)


def _sinks(target: Target, name: str | None) -> list[str]:
    return [target.pipeline.sink(name).name] if name else [sink.name for sink in target.pipeline.sinks]
