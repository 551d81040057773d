"""The live screen of the main job: pure rendering of one sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from local_stack.generator import Totals
from local_stack.job.sample import Sample, SinkSample, TableSample

GREEN_LAG_S = 5.0


@dataclass(frozen=True)
class Address:
    """Something that a person can open: what it is, where, and how to log in."""

    title: str
    url: str
    note: str = ""


@dataclass(frozen=True)
class View:
    """Everything on the screen.

    Attributes:
        elapsed_s: since the command.
        rate: changes a second that were asked for.
        totals: changes that the generator has committed.
        sample: the newest sample.
        addresses: what can be opened.
        notes: lines below, such as a component that is being started again.
    """

    elapsed_s: float
    rate: float
    totals: Totals
    sample: Sample
    addresses: Sequence[Address] = ()
    notes: Sequence[str] = ()


def render(view: View, sink_names: Sequence[str]) -> RenderableType:
    """The screen as a rich renderable."""
    head = Text.assemble(
        ("Spark CDC Platform", "bold"),
        f"   {clock(view.elapsed_s)}   {view.totals.changes:,} changes at {view.rate:g}/s: "
        f"{view.totals.inserted:,} inserted, {view.totals.updated:,} updated, "
        f"{view.totals.deleted:,} deleted",
    )
    warnings = [Text(text, style="yellow") for text in (*view.sample.problems, *view.notes)]
    foot = Text(
        "Ctrl+C stops everything in order; the next `make cdc-run` goes on where this one ends", "dim"
    )
    return Group(head, _tables(view.sample, sink_names), _addresses(view.addresses), *warnings, foot)


def line(view: View, sink_names: Sequence[str]) -> str:
    """The screen as one line, for logs and pipes."""
    parts = [
        f"{table.name} {_number(table.rows)} → "
        + ", ".join(
            f"{name} {_number(table.sinks[name].rows)} ({_lag(table.sinks[name])})" for name in sink_names
        )
        for table in view.sample.tables
    ]
    problems = "".join(f" | {problem}" for problem in view.sample.problems)
    return f"{clock(view.elapsed_s)} {view.totals.changes:,} changes | " + " | ".join(parts) + problems


def clock(seconds: float) -> str:
    """`m:ss`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _tables(sample: Sample, sink_names: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("table")
    table.add_column("source rows", justify="right")
    for name in sink_names:
        table.add_column(f"in {name}", justify="right")
        table.add_column("lag", justify="right")
    table.add_column("stream")
    for row in sample.tables:
        table.add_row(*_row(row, sink_names))
    return table


def _row(row: TableSample, sink_names: Sequence[str]) -> list[RenderableType]:
    cells: list[RenderableType] = [row.name, _number(row.rows)]
    for name in sink_names:
        sink = row.sinks[name]
        colour = "green" if sink.rows == row.rows and sink.behind == 0 else "yellow"
        cells += [Text(_number(sink.rows), style=colour if sink.rows is not None else "red")]
        cells += [Text(_lag(sink), style="" if (sink.lag_s or 0) < GREEN_LAG_S else "red")]
    cells.append(Text(f"{row.stream}: {row.state}" if row.state else row.stream, style="dim"))
    return cells


def _addresses(addresses: Sequence[Address]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for address in addresses:
        table.add_row(escape(address.title), Text(address.url, style="cyan"), Text(address.note, style="dim"))
    return table


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _lag(sink: SinkSample) -> str:
    if sink.behind is None:
        return "–"
    if sink.behind == 0:
        return "0"
    seconds = "" if sink.lag_s is None else f"{sink.lag_s:.1f} s, "
    return f"{seconds}{sink.behind:,} behind"


def addresses_from(env: Mapping[str, str], spark_uis: Mapping[str, str]) -> tuple[Address, ...]:
    """The addresses out of `stack.env`, and each driver's UI as YARN proxies it."""
    login = f"user {env['AIRFLOW_USER']}, password {env['AIRFLOW_PASSWORD']}"
    return (
        Address("Airflow", env["AIRFLOW_URL"], login),
        Address("YARN", env["YARN_RM_URL"], "every driver and executor, with their logs"),
        *(Address(f"Spark UI of {name}", url) for name, url in sorted(spark_uis.items())),
        Address("Kafka Connect", env["KAFKA_CONNECT_URL"]),
    )
