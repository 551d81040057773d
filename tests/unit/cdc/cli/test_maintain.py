"""What `cdc maintenance` shows of a run, whatever an error says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rich.console import Console

from cdc.cli.maintain import _table
from cdc.ops.maintenance import MaintenanceReport
from cdc.services.upkeep_report import PartitionUpkeep, TableUpkeep

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIZE = {"parts": 3, "rows": 1200, "bytes": 9000}


def shown(step: TableUpkeep) -> str:
    report = MaintenanceReport(
        1, "cdc maintain", step.sink, step.table, NOW - timedelta(seconds=2), NOW, step.as_dict()
    )
    console = Console(width=300)
    with console.capture() as captured:
        console.print(_table([report]))
    return captured.get()


def test_a_merge_has_its_figures_and_what_was_left_its_reason() -> None:
    merged = PartitionUpkeep("all", SIZE, {"parts": 1, "rows": 1000, "bytes": 7000}, 1.25)
    left = PartitionUpkeep(
        "2027", SIZE, SIZE, left="9,000 bytes are more than the 10 that are left of the budget"
    )
    step = TableUpkeep(
        "clickhouse", "orders", SIZE, {"parts": 1}, (merged.sentence,), (left.sentence,), (merged, left)
    )
    text = shown(step)
    assert (
        "merged 3 parts of partition all in 1.2 s: parts 3 → 1, rows 1,200 → 1,000, bytes 9,000 → 7,000"
        in text
    )
    assert "partition 2027 of 3 parts: 9,000 bytes are more than the 10 that are left of the budget" in text
    assert "in part" in text
    assert "cdc maintain" in text


def test_brackets_in_an_error_are_shown_as_they_are() -> None:
    assert "refused: [/b] at [red]" in shown(TableUpkeep("a", "t", {}, {}, left=("refused: [/b] at [red]",)))
