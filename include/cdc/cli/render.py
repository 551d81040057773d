"""How plans and states look in a terminal."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cdc.services.changes import Plan
from cdc.services.status import PipelineStatus, TableStatus

_COLOURS = {"running": "green", "starting": "cyan", "stopped": "yellow", "parked": "red", "failed": "red"}


def plan(made: Plan) -> RenderableType:
    """A row for each change."""
    if not made.changes:
        return Text(str(made), style="green")
    table = Table(title=f"Pipeline {made.pipeline}: {len(made.changes)} change(s)", title_justify="left")
    for title in ("kind", "subject", "change"):
        table.add_column(title, overflow="fold")
    for change in made.changes:
        table.add_row(change.kind, Text(change.subject), Text(change.action))
    return table


def status(found: PipelineStatus) -> RenderableType:
    """A row for each table."""
    table = Table(title=f"Pipeline {found.pipeline}", title_justify="left")
    for title in (
        "table",
        "state",
        "connector",
        "backlog",
        "last batch",
        "source",
        "clickhouse",
        "warehouse",
    ):
        table.add_column(
            title, justify="right" if title in ("backlog", "source") else "left", overflow="fold"
        )
    for item in found.tables:
        table.add_row(*_cells(item))
    return table


def _cells(item: TableStatus) -> tuple[RenderableType, ...]:
    state = Text(item.state, style=_COLOURS[item.state])
    if item.reason:
        state.append(f"\n{item.reason}", style="dim")
    return (
        Text(item.source),
        state,
        Text(item.connector),
        _number(item.backlog),
        _ago(item.last_batch),
        _number(item.rows["source"]),
        Text(f"{item.clickhouse or '-'}: {_number(item.rows['clickhouse'])}"),
        Text(f"{item.warehouse or '-'}: {_number(item.rows['warehouse'])}"),
    )


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _ago(at: datetime | None) -> str:
    return "never" if at is None else f"{(datetime.now(UTC) - at).total_seconds():.0f} s ago"
