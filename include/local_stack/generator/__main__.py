"""`python -m local_stack.generator`: changes without the rest of the stack's command."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from local_stack.generator.loop import run_bounded, run_endless


def main(
    dsn: Annotated[str, typer.Option(envvar="SOURCE_DSN", help="The shop, as a role that may write to it.")],
    rate: Annotated[float, typer.Option(help="Row changes a second; ends with Ctrl+C.")] = 50.0,
    changes: Annotated[int, typer.Option(help="Make exactly this many row changes, as fast as they go.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed on the same rows makes the same changes.")] = 1,
) -> None:
    """Insert, update and delete rows of the sample shop, in transactions of several tables."""
    if changes:
        totals = run_bounded(dsn, changes, seed)
    else:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        totals = run_endless(dsn, rate, seed, stop)
    typer.echo(
        f"{totals.changes} changes in {totals.transactions} transactions: "
        f"{totals.inserted} inserted, {totals.updated} updated, {totals.deleted} deleted"
    )


if __name__ == "__main__":
    typer.run(main)
