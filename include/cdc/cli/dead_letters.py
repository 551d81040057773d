"""`cdc dead-letters list | show | replay | discard`: events that could not be written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from cdc.cli import render
from cdc.cli.context import Target, errors, find_target, out
from cdc.cli.options import EnvOption, JsonOption, PipelineOption
from cdc.errors import ConfigurationError
from cdc.ops import OpsStore
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
    name = target.pipeline.name
    with target.ops() as ops:
        table, sink = _checked(target, ops, table, sink)
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
    with target.ops() as ops:
        table, sink = _checked(target, ops, table, sink)
        waiting = ops.count_dead_letters(target.pipeline.name, table, sink)
        gone = service.tables_gone(target.pipeline, (name for name, _ in waiting))
        _tell_gone(gone)
        writable = {place: count for place, count in waiting.items() if place[0] not in gone}
        if writable and not yes:
            errors.print(render.counts(writable))
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
    reason: Annotated[str, typer.Option(help="Why; shown to everybody who looks later.")],
    topic: Annotated[str | None, typer.Argument(help="The event's topic.")] = None,
    partition: Annotated[int | None, typer.Argument(help="Its partition.")] = None,
    offset: Annotated[int | None, typer.Argument(help="Its offset.")] = None,
    generation: Annotated[
        int | None, typer.Option(help="The topic's, when it was made anew and events of several lie there.")
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", help="Instead of one event: all of a table that the pipeline has no more."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
) -> None:
    """Give up what nothing can mend: it is never written, and alarms nobody any more."""
    target = find_target(pipeline, env)
    reason = reason.strip()
    if not reason:
        raise ConfigurationError("received an empty --reason; expected why nobody needs this event")
    if table is not None:
        if topic is not None or generation is not None:
            raise ConfigurationError("received both an event and --table; expected one of them")
        _discard_table(target, table, reason, yes)
    elif topic is None or partition is None or offset is None:
        raise ConfigurationError(
            "expected `<topic> <partition> <offset>`, as `cdc dead-letters list` shows them; or --table, for "
            "all events of a table that the pipeline has no more"
        )
    else:
        _discard_event(target, (topic, partition, offset), generation, reason, yes)


def _discard_event(
    target: Target, place: tuple[str, int, int], generation: int | None, reason: str, yes: bool
) -> None:
    where = " ".join(map(str, place))
    with target.ops() as ops:
        found = [one for one in ops.dead_letters_at(target.pipeline.name, *place) if not one.replayed_at]
        waiting = [one for one in found if generation in (None, one.generation)]
        generations = sorted({one.generation for one in waiting})
        if not waiting:
            wanted = "" if generation is None else f" of generation {generation}"
            raise ConfigurationError(
                f"there is no open dead letter at {where}{wanted}: `cdc dead-letters list` shows those there "
                "are"
            )
        if len(generations) > 1:
            raise ConfigurationError(
                f"at {where} are open dead letters of generations {', '.join(map(str, generations))}: the "
                f"topic was made anew in between. `cdc dead-letters show {where}` shows them; choose one by "
                "--generation"
            )
        if not yes:
            for one in waiting:
                errors.print(render.dead_letter(one))
            typer.confirm("Give this event up for good?", abort=True, err=True)
        closed = ops.discard_dead_letters(waiting, reason)
    for letter in closed:
        out.print(f"discarded: {letter.table} → {letter.sink}", highlight=False, markup=False)
    tables = sorted({letter.table for letter in closed} & {table.name for table in target.pipeline.tables})
    if tables:
        said = f"`cdc reconcile {' '.join(tables)}` shows whether a row differs for want of it"
        out.print(said, highlight=False)


def _discard_table(target: Target, table: str, reason: str, yes: bool) -> None:
    name = target.pipeline.name
    if any(table in (one.source, one.name) for one in target.pipeline.tables):
        raise ConfigurationError(
            f"{table} is a table of pipeline {name}, so its events can be written: `cdc dead-letters "
            f"replay --table {table}`; what nothing can mend is given up by topic, partition and offset"
        )
    with target.ops() as ops:
        waiting = ops.count_dead_letters(name, table)
        if not waiting:
            gone = service.tables_gone(target.pipeline, (one for one, _ in ops.count_dead_letters(name)))
            raise ConfigurationError(
                f"there are no open dead letters of {table!r}; of the tables that pipeline {name} has no "
                f"more, there are some of: {', '.join(gone) or 'none'}"
            )
        if not yes:
            errors.print(render.counts(waiting))
            typer.confirm("Give these events up for good?", abort=True, err=True)
        closed = ops.discard_dead_letters_of(name, table, reason)
    for (_, sink), count in closed.items():
        out.print(f"discarded: {count:,} of {table} → {sink}", highlight=False, markup=False)


def _checked(
    target: Target, ops: OpsStore, table: str | None, sink: str | None
) -> tuple[str | None, str | None]:
    """The names as the ops store has them; one that nobody knows is an error, not "nothing".

    A table that the pipeline has no more is known by its dead letters.
    """
    return (
        _table_name(target, ops, table) if table else None,
        target.pipeline.sink(sink).name if sink else None,
    )


def _table_name(target: Target, ops: OpsStore, table: str) -> str:
    every = ops.count_dead_letters(target.pipeline.name, only_open=False)
    if table in service.tables_gone(target.pipeline, (name for name, _ in every)):
        return table
    return target.pipeline.table(table).name


def _tell_gone(tables: Sequence[str]) -> None:
    for name in tables:
        errors.print(
            f"[yellow]left[/] {escape(name)}: the pipeline has no such table any more, its dead letters stay "
            f"until `cdc dead-letters discard --table {escape(name)} --reason …` gives them up",
            highlight=False,
        )
