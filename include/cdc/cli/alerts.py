"""`cdc alerts`: what is or was wrong, and who was told of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cdc.cli.context import find_target, out
from cdc.model.incidents import Incident
from cdc.model.lag import duration
from cdc.model.verdict import Level
from cdc.ops import Delivery

RESTARTS = timedelta(days=1)
_STYLES = {Level.BREACH: "red", Level.UNKNOWN: "magenta", Level.WARN: "yellow"}


def alerts(
    only_open: Annotated[
        bool, typer.Option("--open", help="Only what goes on, and what was not delivered.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many of each.")] = 20,
    pipeline: Annotated[str | None, typer.Option("--pipeline", help="The pipeline's name.")] = None,
    env: Annotated[
        str | None, typer.Option("--env", help="dev, staging or prod; by default CDC_ENV.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show incidents, what people were told by mail and webhook, and what did not get there.

    DAG cdc_health finds incidents; one ends by itself at the first look that is well again. Connector tasks
    that it restarted within a day are listed too. Exit code 0 also when something is wrong.
    """
    target = find_target(pipeline, env)
    name = target.pipeline.name
    with target.ops() as ops:
        incidents = ops.incidents(name, only_open=only_open, limit=limit)
        deliveries = ops.undelivered(name) if only_open else ops.deliveries(name, limit)
        restarts = ops.restarts(name, datetime.now(UTC) - RESTARTS)[-limit:]
    if as_json:
        found = {
            "pipeline": name,
            "incidents": [_incident_json(one) for one in incidents],
            "deliveries": [_delivery_json(one) for one in deliveries],
            "restarts": [asdict(one) for one in restarts],
        }
        typer.echo(json.dumps(found, indent=2, default=str))
        return
    out.print(_render(name, incidents, deliveries, datetime.now(UTC)))
    for one in restarts:
        when = f"{one.at:%m-%d %H:%M:%S}"
        out.print(Text(f"{when} restarted {one.what} of connector {one.connector}: {one.cause}"))


def _incident_json(one: Incident) -> dict[str, Any]:
    return {**asdict(one), "alarm": one.alarm.value, "told": [alarm.value for alarm in one.told]}


def _delivery_json(one: Delivery) -> dict[str, Any]:
    # The text of a mail is long, and says what the incident says.
    values = asdict(one)
    draft = values.pop("draft")
    return {**values, **{name: draft[name] for name in ("channel", "target", "subject")}}


def _render(
    name: str, incidents: Sequence[Incident], deliveries: Sequence[Delivery], now: datetime
) -> RenderableType:
    parts: list[RenderableType] = []
    if not incidents:
        parts.append(Text(f"Pipeline {name}: no incidents", style="green"))
    parts += [_incident(one, now) for one in incidents]
    if deliveries:
        parts.append(_deliveries(deliveries))
    return Group(*parts)


def _incident(one: Incident, now: datetime) -> Text:
    lasted = duration(((one.over_at or now) - one.bad_since).total_seconds())
    since = f"{one.bad_since:%Y-%m-%d %H:%M:%S %Z}"
    if one.over_at is not None:
        text = Text(f"over after {lasted}: ", style="green")
        text.append(f"{one.sentence}\n  since {since}; {one.ending}", style="default")
        return text
    text = Text(f"{one.level} for {lasted}: ", style=_STYLES.get(one.level, ""))
    text.append(f"{one.sentence}\n  since {since}; to do: {one.todo or 'see the runbook'}", style="default")
    return text


def _deliveries(deliveries: Sequence[Delivery]) -> Table:
    table = Table(title="Told", title_justify="left")
    for title in ("when", "by", "to", "what", "outcome"):
        table.add_column(title, overflow="fold")
    for one in deliveries:
        if one.delivered_at is not None:
            outcome = Text("delivered", style="green")
        elif one.given_up_at is not None:
            outcome = Text(f"given up after {one.attempts} time(s): {one.error}", style="yellow")
        elif one.attempts:
            outcome = Text(f"failed {one.attempts} time(s): {one.error}", style="red")
        else:
            outcome = Text("not sent yet", style="yellow")
        when = Text(f"{one.created_at:%m-%d %H:%M:%S}")
        table.add_row(when, Text(one.draft.channel), Text(one.draft.target), Text(one.draft.subject), outcome)
    return table
