"""What `cdc runs` shows of a backfill, whatever its condition says."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from rich.console import Console

from cdc.cli.bounded_runs import _table
from cdc.model.bounded_run import BoundedRun, RunKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_brackets_in_a_condition_or_an_error_are_shown_as_they_are() -> None:
    window = {"method": "direct", "where": "tags = '[/b]' and a[1] = '[red]'"}
    run = BoundedRun(
        uuid4(), "shop", "orders", RunKind.BACKFILL, window, ["warehouse"], "failed", NOW, NOW,
        message="syntax error at [/closed]",
    )  # fmt: skip
    console = Console(width=300)
    with console.capture() as shown:
        console.print(_table([run]))
    assert "where tags = '[/b]' and a[1] = '[red]'" in shown.get()
    assert "syntax error at [/closed]" in shown.get()
