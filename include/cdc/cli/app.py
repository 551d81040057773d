"""The commands `cdc discover | validate | plan | apply | status | alerts | reconcile | …`, and groups."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Literal

import typer
from rich.syntax import Syntax

from cdc.cli import (
    alerts,
    bounded_runs,
    dead_letters,
    generation,
    maintain,
    reconcile,
    render,
    schema,
    stream,
    table,
)
from cdc.cli.context import errors, find_target, out
from cdc.cli.options import EnvOption, JsonOption
from cdc.connections import Connections
from cdc.errors import CdcError, ConfigurationError, UnavailableError
from cdc.settings import Settings
from cdc.spec import Pipeline, load_pipelines

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(stream.app, name="stream")
app.add_typer(generation.app, name="generation")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(table.app, name="table")
app.add_typer(schema.app, name="schema")
app.command()(reconcile.reconcile)
for command in (bounded_runs.backfill, bounded_runs.replay, bounded_runs.resync, bounded_runs.runs):
    app.command()(command)
app.command("alerts")(alerts.alerts)
app.command()(maintain.maintain)
app.command()(maintain.maintenance)

PipelineOption = Annotated[
    str | None, typer.Option("--pipeline", help="The pipeline's name; needed when there are several.")
]


def main() -> None:
    """Run the command; an error that is meant for a person is one sentence and exit code 1."""
    try:
        app(prog_name="cdc")
    except CdcError as error:
        errors.print(f"[bold red]{type(error).__name__}[/]: ", end="")
        errors.print(str(error), markup=False, highlight=False)
        sys.exit(1)


@app.command()
def validate(env: EnvOption = None, as_json: JsonOption = False) -> None:
    """Check every pipeline file, and that its source has the declared tables and they can be captured.

    The first mistake is named with file, line, field and what was expected. A source that cannot be asked
    from here is no mistake of the file, and is said.
    """
    settings = Settings(cdc_env=env) if env else Settings()
    pipelines = load_pipelines(settings.cdc_pipelines_dir, settings.cdc_env)
    sources = {pipeline.name: _source_verdict(pipeline, settings) for pipeline in pipelines}
    if as_json:
        found = [
            {
                "pipeline": p.name,
                "tables": len(p.tables),
                "streams": len(p.streams),
                "source": sources[p.name],
            }
            for p in pipelines
        ]
        typer.echo(json.dumps(found, indent=2))
        return
    for pipeline in pipelines:
        streams = ", ".join(stream.name for stream in pipeline.streams)
        out.print(
            f"[green]valid[/] {pipeline.name} ({pipeline.environment}): {len(pipeline.tables)} tables "
            f"in streams {streams}; sinks {', '.join(sink.name for sink in pipeline.sinks)}; "
            f"source {sources[pipeline.name]}"
        )


def _source_verdict(pipeline: Pipeline, settings: Settings) -> str:
    from cdc.services.source_objects import SourceObjects

    try:
        connections = Connections.from_file(settings.cdc_connections_file)
        connections.get(pipeline.source.admin_connection)
    except ConfigurationError:
        return "not asked: there is no connection to it here"
    try:
        SourceObjects(pipeline, connections).validate()
    except UnavailableError as error:
        return f"not asked: {error}"
    return "as declared"


@app.command()
def discover(
    patterns: Annotated[list[str], typer.Argument(help="schema.table with * and ?, such as 'public.*'.")],
    write: Annotated[bool, typer.Option("--write", help="Append the entries to the pipeline file.")] = False,
    stream_name: Annotated[
        str | None, typer.Option("--stream", help="Let the tables share a stream.")
    ] = None,
    mode: Annotated[
        Literal["rows", "changelog"],
        typer.Option("--mode", help="changelog: append every event; for tables without a primary key."),
    ] = "rows",
    pipeline: PipelineOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read the source's catalogue and show, or write, entries of tables that are not captured yet."""
    from cdc.services import discover as service

    target = find_target(pipeline, env)
    found = service.discover(target.pipeline, target.connections, patterns, stream_name, mode)
    if write and found.found:
        service.check_memory(target.pipeline, found.found, target.yarn.metrics())
        service.write_entries(target.file, found.found, target.settings.cdc_env)
    if as_json:
        refused = [{"table": table, "reason": reason} for table, reason in found.refused]
        typer.echo(json.dumps({"found": found.found, "refused": refused, "known": found.known}, indent=2))
        return
    for name, reason in found.refused:
        errors.print(f"[yellow]refused[/] {name}: it {reason}", highlight=False)
    for name, reason in service.read_at_source(found.found):
        errors.print(f"[yellow]read at the source[/] {name}: {reason}", highlight=False)
    for name in found.known:
        errors.print(f"[dim]captured[/] {name} already", highlight=False)
    if not found.found:
        errors.print("nothing new to capture")
    elif write:
        names = ", ".join(item["source"] for item in found.found)
        out.print(f"[green]added[/] {names} to {target.file.name}; `cdc plan` shows what that changes")
    elif out.is_terminal:
        out.print(Syntax(service.render(found.found), "yaml", background_color="default"))
    else:
        typer.echo(service.render(found.found))


@app.command()
def plan(pipeline: PipelineOption = None, env: EnvOption = None, as_json: JsonOption = False) -> None:
    """Show what `cdc apply` would change, and which streams would start or restart."""
    from cdc.services.apply import plan as make_plan

    target = find_target(pipeline, env)
    made = make_plan(target.pipeline, target.connections)
    if as_json:
        typer.echo(made.to_json())
    else:
        out.print(render.plan(made))


@app.command()
def apply(pipeline: PipelineOption = None, env: EnvOption = None, as_json: JsonOption = False) -> None:
    """Make what the pipeline declares: source objects, topics, tables and views, connector, snapshots."""
    from cdc.services.apply import apply as do_apply

    target = find_target(pipeline, env)

    def say(step: str) -> None:
        if not as_json:
            out.print(f"[green]done[/] {step}", highlight=False)

    report = do_apply(target.pipeline, target.connections, say)
    if as_json:
        typer.echo(report.to_json())
    else:
        out.print(str(report))


@app.command()
def status(
    pipeline: PipelineOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
    count: Annotated[bool, typer.Option(help="Count rows, for at most 5 s a table.")] = True,
) -> None:
    """Show each table: where it is, its stream's state and why, backlog, last batch, rows."""
    from cdc.services.status import status as ask

    target = find_target(pipeline, env)
    found = ask(target.pipeline, target.connections, count_rows=count)
    if as_json:
        typer.echo(found.to_json())
    else:
        out.print(render.status(found))


@app.command()
def watermarks(
    pipeline: PipelineOption = None,
    env: EnvOption = None,
    prove: Annotated[bool, typer.Option("--prove", help="Prove anew what can be proven now.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what each table is complete up to in each sink, or why that is not known."""
    from cdc.services import watermarks as service

    target = find_target(pipeline, env)
    if prove:
        errors.print("waiting until Debezium and the sinks have what the source has now", highlight=False)
        found = list(service.prove(target.pipeline, target.connections))
    else:
        with target.ops() as ops:
            found = ops.watermarks(target.pipeline.name)
    if as_json:
        typer.echo(json.dumps([render.watermark_json(one) for one in found], indent=2, default=str))
    else:
        out.print(render.watermarks(target.pipeline.name, found))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def submit(
    context: typer.Context,
    job_type: Annotated[str, typer.Option("--job-type", help="The stream.")],
    master: Annotated[str, typer.Option(help="yarn, k8s://…, spark://… or local[*].")] = "yarn",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the whole command instead.")] = False,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
) -> None:
    """Submit one stream with spark-submit, for people without Airflow; what follows goes to the job."""
    from cdc.cli.submit import submit_stream

    submit_stream(find_target(pipeline, env), job_type, master, dry_run=dry_run, extra_args=context.args)
