"""`cdc dead-letters list | show | replay | discard`: events that could not be written."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cdc.cli import render
from cdc.cli.context import Target, errors, find_target, out
from cdc.cli.options import EnvOption, JsonOption, PipelineOption
from cdc.errors import ConfigurationError
from cdc.services import dead_letters as service

app = typer.Typer(no_args_is_help=True, help="Events that could not be written: list, show, replay, discard.")

TableOption = Annotated[str | None, typer.Option("--table", help="Only this table.")]
SinkOption = Annotated[str | None, typer.Option("--sink", help="Only this sink.")]


@app.command("list")
def list_(
    table: TableOption = None,
    sink: SinkOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Replayed and discarded ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was set aside, in the order of the events."""
    target = find_target(pipeline, env)
    name, table, sink = target.pipeline.name, *_checked(target, table, sink)
    with target.ops() as ops:
        found = ops.dead_letters(name, table, sink, only_open=not everything, limit=limit)
        counts = ops.count_dead_letters(name, table, sink, only_open=not everything)
    if as_json:
        typer.echo(json.dumps([service.as_document(letter) for letter in found], indent=2))
    elif not found:
        out.print("no dead letters" if everything else "no open dead letters")
    else:
        out.print(render.dead_letters(found, counts))


@app.command()
def show(
    topic: Annotated[str, typer.Argument(help="The event's topic.")],
    partition: Annotated[int, typer.Argument(help="Its partition.")],
    offset: Annotated[int, typer.Argument(help="Its offset.")],
    pipeline: PipelineOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one event as it was in the topic, why it was set aside, and what to do."""
    target = find_target(pipeline, env)
    with target.ops() as ops:
        found = ops.dead_letters_at(target.pipeline.name, topic, partition, offset)
    if not found:
        raise ConfigurationError(
            f"there is no dead letter at {topic} {partition} {offset}: `cdc dead-letters list --all` shows "
            "them all"
        )
    if as_json:
        typer.echo(json.dumps([service.as_document(letter) for letter in found], indent=2))
        return
    for letter in found:
        out.print(render.dead_letter(letter))


@app.command()
def replay(
    table: TableOption = None,
    sink: SinkOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand the open ones to the sinks again, with their original versions: newer rows are never overwritten.

    What fails again stays, with the new error, and makes the exit code 1.
    """
    target = find_target(pipeline, env)
    table, sink = _checked(target, table, sink)
    with target.ops() as ops:
        waiting = ops.count_dead_letters(target.pipeline.name, table, sink)
        _refuse_dropped(target, waiting)
        if waiting and not yes:
            errors.print(render.counts(waiting))
            typer.confirm("Write them to the sinks again?", abort=True, err=True)
        report = service.replay(
            target.pipeline,
            target.file,
            target.settings,
            ops,
            table,
            sink,
            lambda step: errors.print(step, highlight=False),
        )
    if as_json:
        typer.echo(report.to_json())
    else:
        out.print("\n".join(report.sentences) or "no open dead letters", highlight=False)
    if report.left:
        raise typer.Exit(1)


@app.command()
def discard(
    topic: Annotated[str, typer.Argument(help="The event's topic.")],
    partition: Annotated[int, typer.Argument(help="Its partition.")],
    offset: Annotated[int, typer.Argument(help="Its offset.")],
    reason: Annotated[str, typer.Option(help="Why; shown to everybody who looks later.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
) -> None:
    """Give up one event that nothing can mend: it is never written, and alarms nobody any more."""
    target = find_target(pipeline, env)
    if not reason.strip():
        raise ConfigurationError("received an empty --reason; expected why nobody needs this event")
    name = target.pipeline.name
    with target.ops() as ops:
        waiting = [one for one in ops.dead_letters_at(name, topic, partition, offset) if not one.replayed_at]
        if not waiting:
            raise ConfigurationError(
                f"there is no open dead letter at {topic} {partition} {offset}: `cdc dead-letters list` "
                "shows those there are"
            )
        if not yes:
            errors.print(render.dead_letter(waiting[0]))
            typer.confirm("Give this event up for good?", abort=True, err=True)
        found = ops.discard_dead_letters(name, topic, partition, offset, reason.strip())
    for letter in found:
        out.print(f"discarded: {letter.table} → {letter.sink}", highlight=False, markup=False)
    tables = ", ".join(sorted({letter.table for letter in found}))
    out.print(f"`cdc reconcile {tables}` shows whether a row differs for want of it", highlight=False)


def _checked(target: Target, table: str | None, sink: str | None) -> tuple[str | None, str | None]:
    """The names as the ops store has them; one that the pipeline does not know is an error, not "nothing"."""
    return (
        target.pipeline.table(table).name if table else None,
        target.pipeline.sink(sink).name if sink else None,
    )


def _refuse_dropped(target: Target, waiting: dict[tuple[str, str], int]) -> None:
    known = {table.name for table in target.pipeline.tables}
    for name in sorted({name for name, _ in waiting} - known):
        errors.print(
            f"[yellow]left[/] {name}: the pipeline has no such table any more, its dead letters stay",
            highlight=False,
        )
