"""`make cdc-check`: a number of changes, then every row and every column of source and sinks compared."""

from __future__ import annotations

import json
import time

import psycopg
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cdc.comparison.report import CompareReport
from cdc.spec import Pipeline, WarehouseSink
from local_stack import streams
from local_stack.generator import Totals, run_bounded
from local_stack.job.converge import Convergence
from local_stack.job.dashboard import clock
from local_stack.job.launch import now
from local_stack.job.session import JobSession
from local_stack.lifecycle import make_console, say, start_stack, stop_stack
from local_stack.run import interruptible
from local_stack.stack import LocalStack

LATEST = "SELECT * FROM orders_fact ORDER BY processed_at DESC LIMIT 10"
SHOWN_DIFFERENCES = 20
CELL = 24


def run_check(changes: int, seed: int, restart_in_the_middle: bool, keep: bool = False) -> int:
    """Make changes, wait until both sinks have converged, compare.

    Args:
        changes: row changes to make.
        seed: of the generator.
        restart_in_the_middle: stop and start the whole stack after half of the changes.
        keep: leave the stack up even when this check has started it.

    Returns:
        0 when all rows and columns are equal, else 1.

    Raises:
        CdcError: a step failed.
    """
    console, stack = make_console(), LocalStack.from_environment()
    ran_before = stack.record() is not None
    try:
        with interruptible():
            return _check(stack, console, changes, seed, restart_in_the_middle)
    finally:
        if not (ran_before or keep):
            stop_stack(stack, console)


def _check(stack: LocalStack, console: Console, changes: int, seed: int, restart: bool) -> int:
    begun = time.monotonic()
    with open_session(stack, console) as session:
        first = changes // 2 if restart else changes
        totals = make_changes(session, console, first, seed)
    if restart:
        say(console, "half of the changes are made; the stack stops and starts again")
        stop_stack(stack, console)
        with open_session(stack, console) as session:
            totals += make_changes(session, console, changes - first, seed + 1)
    with JobSession(stack.context()) as session:
        reports = converge(session, console)
        for report in reports:
            console.print(report_table(report))
            _print_differences(report, console)
        print_latest(session, console)
    equal = all(report.equal for report in reports)
    verdict = "equal: every row and every column" if equal else "NOT equal"
    summary = f"{totals.inserted:,} inserted, {totals.updated:,} updated, {totals.deleted:,} deleted"
    say(console, f"{totals.changes:,} changes ({summary}), {clock(time.monotonic() - begun)}: {verdict}")
    return 0 if equal else 1


def open_session(stack: LocalStack, console: Console) -> JobSession:
    """Start the stack if it is down, have Airflow launch the streams, and return when they make progress.

    On a stack whose streams all run there is nothing to launch.
    """
    since, ran_before = now(), stack.record() is not None
    session = JobSession(start_stack(stack, console))
    if not (ran_before and set(streams.states(session.ctx).values()) == {"running"}):
        session.launch(lambda text: say(console, text), since)
    return session


def make_changes(session: JobSession, console: Console, changes: int, seed: int) -> Totals:
    """Make exactly so many row changes, with a bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("changes at the source", total=changes)

        def advance(totals: Totals) -> None:
            progress.update(task, completed=totals.changes)

        totals = run_bounded(session.source_dsn, changes, seed, advance)
    say(console, f"{totals.changes:,} changes in {totals.transactions:,} transactions are committed")
    return totals


def converge(session: JobSession, console: Console, timeout_s: float = 240.0) -> tuple[CompareReport, ...]:
    """Wait for each pipeline's sinks, and return the comparisons."""
    return tuple(
        Convergence(pipeline, session.connections, sampler, lambda text: say(console, text), timeout_s).wait()
        for pipeline, sampler in zip(session.pipelines, session.samplers, strict=True)
    )


def report_table(report: CompareReport) -> Table:
    """A row for each table: rows on each side, and differences."""
    sides = list(report.tables[0].rows)
    table = Table(
        title=f"pipeline {report.pipeline}: source and sinks, every row and column", title_justify="left"
    )
    table.add_column("table")
    for side in sides:
        table.add_column(side, justify="right")
    for heading in ("missing", "extra", "differing", "equal"):
        table.add_column(heading, justify="right")
    for entry in report.tables:
        kinds = {
            kind: sum(counts.get(kind, 0) for counts in entry.counts.values())
            for kind in ("missing", "extra", "duplicate", "differing", "disagreeing")
        }
        table.add_row(
            entry.source if entry.source.endswith(f".{entry.name}") else f"{entry.source} as {entry.name}",
            *(f"{entry.rows[side]:,}" for side in sides),
            f"{kinds['missing']:,}",
            f"{kinds['extra'] + kinds['duplicate']:,}",
            f"{kinds['differing'] + kinds['disagreeing']:,}",
            "[green]yes[/]" if entry.equal else "[red]NO[/]",
        )
    return table


def _print_differences(report: CompareReport, console: Console) -> None:
    for table in report.tables:
        for difference in table.examples[:SHOWN_DIFFERENCES]:
            say(console, f"  {table.name}: {difference.sentence()}")


def print_latest(session: JobSession, console: Console) -> None:
    """Show the newest rows of `orders_fact` as a reader of the warehouse sees them."""
    found = _warehouse_with_orders(session)
    if found is None:
        return
    with psycopg.connect(session.connections.get(found.connection).dsn(connect_timeout=10)) as connection:
        cursor = connection.execute(LATEST)
        names = [column.name for column in cursor.description or ()]
        rows = cursor.fetchall()
    say(console, f"{LATEST};")
    shown = [index for index, name in enumerate(names) if not name.startswith("_") or name == "_op"]
    table = Table()
    for index in shown:
        table.add_column(names[index], no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*(_cell(row[index]) for index in shown))
    console.print(table)


def _warehouse_with_orders(session: JobSession) -> WarehouseSink | None:
    def named(pipeline: Pipeline) -> bool:
        return any(table.name == "orders_fact" for table in pipeline.tables)

    sinks = [sink for pipeline in session.pipelines if named(pipeline) for sink in pipeline.sinks]
    return next((sink for sink in sinks if isinstance(sink, WarehouseSink)), None)


def _cell(value: object) -> str:
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    text = "NULL" if value is None else " ".join(str(value).split())
    return escape(text if len(text) <= CELL else f"{text[: CELL - 1]}…")
