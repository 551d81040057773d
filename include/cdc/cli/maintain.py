"""`cdc maintain` and `cdc maintenance`: upkeep of the sinks, and what it has done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from cdc.cli.context import find_target, out
from cdc.cli.options import EnvOption, JsonOption, PipelineOption
from cdc.model.health import Level
from cdc.model.lag import duration
from cdc.model.retention import judge_retention
from cdc.ops.maintenance import MaintenanceReport
from cdc.services.retention import sample_retention
from cdc.services.upkeep import keep_up, record_retention
from cdc.services.upkeep_report import TableUpkeep, changes

COMMAND = "cdc maintain"
_STYLES = {"done": "green", "ok": "green", "in part": "yellow", "not done": "yellow", "not ok": "red"}


def maintain(
    sink: Annotated[list[str] | None, typer.Option("--sink", help="Only this sink.")] = None,
    table: Annotated[list[str] | None, typer.Option("--table", help="Only this table.")] = None,
    horizon_age_minutes: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Remove tombstones behind Kafka's beginning of so long ago; 0 only when no repair or "
            "resume runs. By default the policy's.",
        ),
    ] = None,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Merge ClickHouse's parts under the budget, remove tombstones and truncated rows that may go, vacuum.

    At the end Kafka's retention is compared with what is unread; the exit code is 1 when it is too short.
    What was done is kept: `cdc maintenance` shows it.
    """
    target = find_target(pipeline, env)

    def say(step: TableUpkeep) -> None:
        if not as_json:
            first, *rest = step.lines()
            out.print(f"[green]kept up[/] {first}", highlight=False)
            for line in rest:
                out.print(f"  {line}", highlight=False, markup=False)

    report = keep_up(
        target.pipeline,
        target.connections,
        run=COMMAND,
        sinks=sink,
        tables=table,
        horizon_age_minutes=horizon_age_minutes,
        on_step=say,
    )
    policy = target.pipeline.policies.maintenance
    kept = [
        judge_retention(sample, policy) for sample in sample_retention(target.pipeline, target.connections)
    ]
    record_retention(target.pipeline, target.connections, COMMAND, kept)
    if as_json:
        retention = [
            {"topic": v.subject, "level": v.level, "sentence": v.sentence, **v.figures} for v in kept
        ]
        typer.echo(json.dumps(asdict(report) | {"retention": retention}, indent=2))
    else:
        gone = ", ".join(f"{count:,} {what}" for what, count in report.purged.items() if count)
        out.print(f"removed from the ops store: {gone or 'nothing is old enough'}", highlight=False)
        for verdict in kept:
            todo = f". To do: {verdict.todo}" if verdict.todo else ""
            out.print(f"{verdict.level}: {verdict.sentence}{todo}", highlight=False, markup=False)
    if any(verdict.level is Level.BREACH for verdict in kept):
        raise typer.Exit(1)


def maintenance(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    pipeline: PipelineOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what upkeep did to each table, or why not: by which run, figures before and after, how long.

    With the tables of the sinks: what was forgotten in the ops store, and whether Kafka keeps events for long
    enough.
    """
    target = find_target(pipeline, env)
    with target.ops() as ops:
        found = ops.maintenance(target.pipeline.name, limit)
    if as_json:
        typer.echo(json.dumps([report.as_document() for report in found], indent=2))
        return
    out.print(
        _table(found) if found else "no upkeep was run yet: `cdc maintain`, or DAG cdc_clickhouse_maintenance"
    )


def _table(found: Sequence[MaintenanceReport]) -> Table:
    shown = Table("ended", "where", "table", "outcome", "what", "took", "by", box=None)
    for report in found:
        figures = changes(report.report.get("before", {}), report.report.get("after", {}))
        said = [Text(line) for line in (figures, *report.done) if line]
        said += [Text(line, style="yellow") for line in report.left]
        shown.add_row(
            Text(f"{report.finished_at:%Y-%m-%d %H:%M:%S}"),
            Text(report.place),
            Text(report.table),
            Text(report.outcome, style=_STYLES.get(report.outcome, "")),
            Text("\n").join(said),
            Text(duration(report.seconds)),
            Text(report.run),
        )
    return shown
