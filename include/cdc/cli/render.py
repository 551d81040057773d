"""How plans, states and dead letters look in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from cdc.model.watermark import Watermark, lsn_text
from cdc.ops import DeadLetter
from cdc.services.changes import Plan
from cdc.services.dead_letters import advice, readable
from cdc.services.parked_tables import TableState
from cdc.services.schema_changes import TableStatus as SchemaStatus
from cdc.services.status import Compared, PipelineStatus, TableStatus

_COLOURS = {
    "running": "green",
    "flowing": "green",
    "resuming": "cyan",
    "starting": "cyan",
    "stopped": "yellow",
    "paused": "yellow",
    "parked": "red",
    "failed": "red",
    "unchanged": "green",
    "followed": "green",
    "to follow": "cyan",
    "to park": "red",
}


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
        "compared",
        "source",
        "clickhouse",
        "warehouse",
        "watermark",
    ):
        table.add_column(
            title, justify="right" if title in ("backlog", "source") else "left", overflow="fold"
        )
    for item in found.tables:
        table.add_row(*_cells(item))
    told = [
        *(Text(f"{one.level}: {one.sentence}", style="red") for one in found.incidents),
        *(Text(f"not delivered: {one.error}", style="yellow") for one in found.undelivered[-3:]),
    ]
    more = [Text("`cdc alerts` tells more", style="dim")] if told else []
    return Group(table, *told, *more)


def watermarks(pipeline: str, found: Sequence[Watermark]) -> RenderableType:
    """A row for each table and sink."""
    if not found:
        return Text("nothing was proven yet: `cdc watermarks --prove`, or DAG cdc_watermarks", style="yellow")
    table = Table(title=f"Pipeline {pipeline}: complete up to", title_justify="left")
    for title in ("table", "sink", "watermark", "proven"):
        table.add_column(title, overflow="fold")
    for one in found:
        said = Text(one.text, style="green" if one.holds else "yellow")
        table.add_row(Text(one.table), Text(one.sink), said, _ago(one.proven_at))
    return table


def watermark_json(watermark: Watermark) -> dict[str, object]:
    """The same as JSON; the LSN as PostgreSQL writes it."""
    lsn = None if watermark.lsn is None else lsn_text(watermark.lsn)
    return {**asdict(watermark), "lsn": lsn, "holds": watermark.holds}


def dead_letters(found: Sequence[DeadLetter], totals: Mapping[tuple[str, str], int]) -> RenderableType:
    """A row for each dead letter, named as `cdc dead-letters show` wants it."""
    every = sum(totals.values())
    title = f"{every:,} dead letter(s)" + (f", the first {len(found):,}" if len(found) < every else "")
    table = Table(title=title, title_justify="left")
    for name in ("topic", "partition", "offset", "sink", "failed", "error"):
        numeric = name in ("partition", "offset")
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for letter in found:
        place = letter.topic, str(letter.partition), str(letter.offset), letter.sink
        said = Text(f"{letter.error_class}: ", style="dim" if letter.replayed_at else "red")
        said.append(f"{letter.message}{_closed(letter)}", style="not red")
        table.add_row(*map(Text, place), _ago(letter.failed_at), said)
    return table


def _closed(letter: DeadLetter) -> str:
    if letter.discarded:
        return f" (discarded: {letter.discarded})"
    return " (replayed)" if letter.replayed_at else ""


def dead_letter(letter: DeadLetter) -> RenderableType:
    """One event with its bytes, its error and what to do."""
    place = f"{letter.topic} partition {letter.partition} offset {letter.offset}"
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("event", f"{place} of generation {letter.generation}"),
        ("not written to", f"{letter.table} in {letter.sink} by {letter.query}"),
        ("at the broker", f"{letter.timestamp:%Y-%m-%d %H:%M:%S} UTC" if letter.timestamp else "?"),
        ("failed", _ago(letter.failed_at)),
        ("headers", ", ".join(f"{name}={value}" for name, value in letter.headers) or "none"),
        ("error", f"{letter.error_class}: {letter.message}"),
        ("what to do", advice(letter)),
    ):
        facts.add_row(Text(name, style="bold"), Text(value))
    return Group(
        facts, Text("key", style="bold"), _raw(letter.key), Text("value", style="bold"), _raw(letter.value)
    )


def counts(waiting: Mapping[tuple[str, str], int]) -> RenderableType:
    """How many dead letters wait for each table and sink."""
    table = Table()
    for name in ("table", "sink", "dead letters"):
        table.add_column(name, justify="right" if name == "dead letters" else "left")
    for (name, sink), count in waiting.items():
        table.add_row(Text(name), Text(sink), _number(count))
    return table


def table_states(states: Sequence[TableState]) -> RenderableType:
    """A row for each table and sink."""
    table = Table()
    for name in ("table", "sink", "state", "since offsets", "waiting", "dead letters"):
        numeric = name in ("waiting", "dead letters")
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for item in states:
        state = Text(item.state, style=_COLOURS[item.state])
        if item.reason:
            state.append(f"\n{item.reason}", style="dim")
        if item.lost:
            state.append("\nKafka has removed some of what waits", style="bold red")
        offsets = ", ".join(f"{p}: {o}" for p, o in sorted((item.offsets or {}).items()))
        waiting = "" if item.offsets is None else _number(item.waiting)
        table.add_row(
            Text(item.source), Text(item.sink), state, Text(offsets), waiting, _number(item.dead_letters)
        )
    return table


def schema(found: Sequence[SchemaStatus]) -> RenderableType:
    """A row for each table, with its differences and what to do."""
    table = Table()
    for name in ("table", "state", "what has changed"):
        table.add_column(name, overflow="fold")
    for item in found:
        said = Text("\n".join(item.changes))
        if item.plan:
            said.append(f"\n{item.plan}", style="dim")
        table.add_row(Text(item.source), Text(item.state, style=_COLOURS.get(item.state, "")), said)
    return table


def _raw(raw: bytes | None) -> RenderableType:
    text = readable(raw)
    return (
        Syntax(text, "json", background_color="default", word_wrap=True) if text[:1] in "{[" else Text(text)
    )


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
        _compared(item.compared),
        _number(item.rows["source"]),
        Text(f"{item.clickhouse or '-'}: {_number(item.rows['clickhouse'])}"),
        Text(f"{item.warehouse or '-'}: {_number(item.rows['warehouse'])}"),
        Text(item.watermark or "-"),
    )


def _compared(compared: Compared | None) -> Text:
    if compared is None:
        return Text("never", style="dim")
    said = "equal" if compared.settled else "differs"
    return Text(f"{said} {_ago(compared.at)}", style="" if compared.settled else "red")


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _ago(at: datetime | None) -> str:
    return "never" if at is None else f"{(datetime.now(UTC) - at).total_seconds():.0f} s ago"
