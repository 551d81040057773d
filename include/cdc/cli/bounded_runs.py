"""`cdc backfill | replay | resync | runs`: a part of a table once more, by the stream's own job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from cdc.cli.context import Target, errors, find_target, out
from cdc.cli.options import EnvOption, JsonOption, PipelineOption
from cdc.model.bounded_run import BoundedRun, Method, Scope, key_of
from cdc.ops import OpsStore
from cdc.services import bounded_runs as service
from cdc.services.captured import refuse_unsent
from cdc.spec import SinkSpec

TableArgument = Annotated[
    str, typer.Argument(metavar="TABLE", help="schema.table at the source, or its name in the sinks.")
]
SinkOption = Annotated[list[str] | None, typer.Option("--sink", help="Only into this sink.")]
AnewOption = Annotated[
    bool, typer.Option("--anew", help="From the beginning, also where one was broken off.")
]


def backfill(
    table: TableArgument,
    from_key: Annotated[
        str, typer.Option("--from-key", help="The first key; a JSON list where a key has several columns.")
    ] = "",
    until_key: Annotated[str, typer.Option("--until-key", help="The key behind the last one.")] = "",
    where: Annotated[
        str, typer.Option("--where", help="A condition over the source's columns, as PostgreSQL reads it.")
    ] = "",
    method: Annotated[
        Literal["direct", "snapshot"],
        typer.Option(help="direct: the stream's job reads the rows; snapshot: Debezium does, as events."),
    ] = "direct",
    anew: AnewOption = False,
    sink: SinkOption = None,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read rows of a table again from the source and write them to the sinks, while the stream runs.

    Newer changes are never overwritten. One that was broken off goes on where it was. Rows that the source
    does not have stay; `cdc reconcile --repair` removes them.
    """
    target = find_target(pipeline, env)
    with target.ops() as ops:
        spec = target.pipeline.table(table)
        scope = Scope(key_of(from_key, spec.key), key_of(until_key, spec.key), where.strip())
        run = service.ask_backfill(
            target.pipeline,
            target.connections,
            ops,
            spec,
            scope,
            method=Method(method),
            sinks=_sinks(target, sink),
            anew=anew,
            say=_say,
        )
        if run.window["method"] == Method.SNAPSHOT:
            from cdc.services.source_snapshot import snapshot_part

            with service.recorded(ops, [run], _say):
                snapshot_part(target.pipeline, target.connections, ops, spec, run)
            _show(service.told(ops, run, _say), as_json)
        else:
            _do(target, ops, run, as_json)


def replay(
    table: TableArgument,
    since: Annotated[
        str,
        typer.Option("--from", help="A time, partition offsets (topic:0:120,…) or earliest."),
    ],
    until: Annotated[str, typer.Option("--until", help="The same, excluded; or latest.")] = "latest",
    anew: AnewOption = False,
    sink: SinkOption = None,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a stretch of a table's topic again, with the original versions: newer rows are never overwritten.

    What Kafka has no more is refused, and said.
    """
    target = find_target(pipeline, env)
    with target.ops() as ops:
        spec = target.pipeline.table(table)
        run = service.ask_replay(
            target.pipeline,
            target.connections,
            ops,
            spec,
            since,
            until,
            sinks=_sinks(target, sink),
            anew=anew,
            say=_say,
        )
        _do(target, ops, run, as_json)


def resync(
    table: TableArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build a table anew in every sink beside the old one, which serves readers, and exchange the two.

    The table's events wait meanwhile. The old table is kept: `cdc schema rollback TABLE`.
    """
    target = find_target(pipeline, env)
    spec = target.pipeline.table(table)
    if not yes:
        names = ", ".join(item.name for item in target.pipeline.sinks)
        typer.confirm(f"Replace {spec.name} in {names} by what the source has now?", abort=True, err=True)
    with target.ops() as ops:
        refuse_unsent(target.pipeline, target.connections, ops, spec)
        run = service.ask_resync(target.pipeline, target.connections, ops, spec)
        _do(target, ops, run, as_json)


def runs(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show backfills, replays and resyncs: how far each is, how it ended."""
    target = find_target(pipeline, env)
    with target.ops() as ops:
        found = ops.bounded_runs(target.pipeline.name, limit)
    if as_json:
        typer.echo(json.dumps([run.as_document() for run in found], indent=2))
        return
    out.print(_table(found) if found else "no backfill, replay or resync was run")


def _table(found: Sequence[BoundedRun]) -> Table:
    shown = Table("started", "what", "part", "message", box=None)
    for run in found:
        part = ", ".join(f"{name} {value}" for name, value in run.window.items() if value)
        started = f"{run.started_at:%Y-%m-%d %H:%M:%S}"
        # A condition or an error is text, whatever brackets it has.
        shown.add_row(*map(Text, (started, run.sentence, part, run.message)))
    return shown


def _do(target: Target, ops: OpsStore, run: BoundedRun, as_json: bool) -> None:
    launch = service.launch_here(target.pipeline, target.file, target.settings)
    (ended,) = service.carry_out(target.pipeline, ops, [run], launch, _say)
    _show(ended, as_json)


def _show(ended: BoundedRun, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(ended.as_document(), indent=2))
    else:
        out.print(f"[green]done[/] {ended.sentence}", highlight=False)


def _say(sentence: str) -> None:
    errors.print(sentence, highlight=False, markup=False)


def _sinks(target: Target, names: list[str] | None) -> list[SinkSpec]:
    return [target.pipeline.sink(name) for name in names or ()]
