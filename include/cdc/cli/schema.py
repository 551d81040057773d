"""`cdc schema status | apply | rollback`: what has become of the source's tables, and what follows."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from cdc.cli import render
from cdc.cli.context import Target, errors, find_target, out
from cdc.cli.options import EnvOption, JsonOption, PipelineOption
from cdc.errors import ConfigurationError
from cdc.services import schema_changes as service
from cdc.services.captured import refuse_unsent
from cdc.services.effective import effective_pipeline
from cdc.services.rebuild import rebuild_table
from cdc.services.schema_file import write_definition

app = typer.Typer(
    no_args_is_help=True, help="Changes of the source's tables: show, follow, approve, take back."
)

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command()
def status(pipeline: PipelineOption = None, env: EnvOption = None, as_json: JsonOption = False) -> None:
    """Compare the source's tables with what the sinks were built from, and say what would follow."""
    target = find_target(pipeline, env)
    with target.ops() as ops:
        found = service.status(target.pipeline, target.connections, ops)
    _show(found, as_json)


@app.command()
def apply(
    table: Annotated[
        str | None,
        typer.Argument(metavar="[TABLE]", help="A parked table, which is built anew after a question."),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Bring what is in effect into the pipeline file too.")
    ] = False,
    yes: YesOption = False,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the sinks follow what is additive, and park the tables that have changed otherwise.

    With a TABLE this is the approval: the table is built anew beside the old one, exchanged with it, and
    written again; the old one is kept for `cdc schema rollback`.
    """
    target = find_target(pipeline, env)
    wanted = target.pipeline.table(table) if table else None
    with target.ops() as ops:
        found = service.settle(target.pipeline, target.connections, ops)
    if wanted is not None:
        mine = next((item for item in found if item.table == wanted.name), None)
        _approve(target, wanted.name, mine, yes=yes)
        with target.ops() as ops:
            found = service.status(target.pipeline, target.connections, ops)
    if write:
        _write(target, None if wanted is None else wanted.name)
    _show(found, as_json)


@app.command()
def rollback(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="schema.table, or its name in the sinks.")],
    yes: YesOption = False,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
) -> None:
    """Bring back the table that the last new build has replaced; it stays parked."""
    target = find_target(pipeline, env)
    spec = target.pipeline.table(table)
    if not yes:
        typer.confirm(f"Show readers {spec.name} as it was before its last new build?", abort=True, err=True)
    with target.ops() as ops:
        kept = service.rollback(target.pipeline, spec, target.connections, ops)
    out.print(f"[green]gone back[/] {spec.name}; the newer table is kept as {kept}", highlight=False)


def _approve(target: Target, name: str, mine: service.TableStatus | None, *, yes: bool) -> None:
    if mine is None:
        raise ConfigurationError(f"{name} was not applied yet: run `cdc apply`")
    for change in mine.changes:
        errors.print(f"  {change}", markup=False, highlight=False)
    if not yes:
        typer.confirm(f"Build {name} anew in every sink, and exchange it?", abort=True, err=True)
    spec = target.pipeline.table(name)
    with target.ops() as ops:
        refuse_unsent(target.pipeline, target.connections, ops, spec)
    errors.print(f"building {name} anew", highlight=False)
    rebuild_table(target.pipeline, spec, target.file, target.settings)
    errors.print(f"[green]exchanged[/] {name}; the old one is kept for `cdc schema rollback {name}`")


def _write(target: Target, only: str | None) -> None:
    with target.ops() as ops:
        tables = effective_pipeline(target.pipeline, ops).tables
    for table in tables:
        if only in (None, table.name) and write_definition(target.file, table, target.settings.cdc_env):
            errors.print(f"[green]written[/] {table.source} to {target.file.name}", highlight=False)


def _show(found: tuple[service.TableStatus, ...], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in found], indent=2))
    else:
        out.print(render.schema(found))
