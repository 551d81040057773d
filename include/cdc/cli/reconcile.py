"""`cdc reconcile`: source against sinks while changes flow; proven differences are told, or mended."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cdc.cli.context import errors, find_target, out
from cdc.errors import ConfigurationError
from cdc.model.window import parse_window
from cdc.services import reconcile_run as service

TablesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TABLE…]", help="schema.table at the source, or names in the sinks; all if none."
    ),
]


def reconcile(
    tables: TablesArgument = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Read what differs again from the source, and compare again.")
    ] = False,
    only_changed: Annotated[
        bool,
        typer.Option(
            "--changed-partitions", help="Only tables whose partitions or definition changed unheard."
        ),
    ] = False,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="Only rows whose table's event_time lies in this window (UTC)."
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="The end, which is not in it.")
    ] = None,
    pipeline: Annotated[str | None, typer.Option("--pipeline", help="The pipeline's name.")] = None,
    env: Annotated[
        str | None, typer.Option("--env", help="dev, staging or prod; by default CDC_ENV.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare tables with their copies in every sink, while changes flow, by checksums inside each database.

    A difference is told only when no change under way explains it. What is left at the end makes the exit
    code 1. In a window, tables without `event_time` are compared whole.
    """
    if (begin is None) != (end is None):
        raise ConfigurationError("a window needs both --from and --to")
    window = parse_window(begin, end) if begin and end else None
    target = find_target(pipeline, env)
    chosen = [target.pipeline.table(name) for name in tables] if tables else list(target.pipeline.tables)
    mend = service.mend_here(target.pipeline, target.file, target.settings) if repair else None

    def say(step: str) -> None:
        errors.print(step, highlight=False)

    with target.ops() as ops:
        reports = service.reconcile_tables(
            target.pipeline,
            target.connections,
            ops,
            chosen,
            mend=mend,
            say=say,
            only_changed=only_changed,
            window=window,
            unread=service.unread_tables(target.pipeline, target.connections, say),
        )
    if as_json:
        typer.echo(json.dumps([report.as_dict() for report in reports], indent=2))
    else:
        for report in reports:
            out.print("\n".join(service.sentences(report)), highlight=False, markup=False)
    if not all(report.settled for report in reports):
        raise typer.Exit(1)
