"""What counts as green, and how it is told."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from local_stack.drill.outcome import (
    HEADINGS,
    Ending,
    Outcome,
    Report,
    Sighting,
    report_markdown,
    report_table,
)

SEEN = Sighting(31.4, "cdc_health", "ecommerce.check_slot", "manual__2026", "[CDC ecommerce] BREACH: slot")
GREEN = Outcome(
    "idle-slot", "the connector stopped", "DAG cdc_connectors", SEEN, Ending(75.2, "OVER: slot"), True, 400
)


def report(*outcomes: Outcome, equal: bool = True) -> Report:
    return Report(7, outcomes, equal, 61.0, {"max_progress_age_s": 30})


def test_green_is_noticed_told_mended_and_equal() -> None:
    assert GREEN.green
    assert report(GREEN).green


@pytest.mark.parametrize(
    "lack",
    [
        {"sighting": None},
        {"ending": None},
        {"equal": False},
        {"equal": None},
        {"problem": "no mail has come"},
    ],
    ids=str,
)
def test_whatever_is_lacking_is_not_green(lack: dict[str, object]) -> None:
    outcome = replace(GREEN, **lack)  # type: ignore[arg-type]
    assert not outcome.green
    assert not report(GREEN, outcome).green
    assert report(GREEN, outcome).verdict.startswith("1 of 2 faults are green")


def test_a_drill_whose_end_is_not_equal_is_not_green() -> None:
    assert not report(GREEN, equal=False).green
    assert "NOT equal" in report(GREEN, equal=False).verdict


def test_a_drill_of_nothing_is_not_green() -> None:
    assert not report().green


def test_who_began_the_run_is_told() -> None:
    assert SEEN.begun_by == "the drill"
    assert replace(SEEN, run_id="scheduled__2026-01-01").begun_by == "the schedule"
    assert SEEN.place == "cdc_health / check_slot"


def test_the_json_has_what_the_table_has() -> None:
    failed = Outcome("stop-warehouse", "warehouse stopped", "itself", equal=False, problem="no mail has come")
    document = json.loads(json.dumps(report(GREEN, failed).as_dict()))
    assert (document["green"], document["equal"], document["limits"]) == (
        False,
        True,
        {"max_progress_age_s": 30},
    )
    first, second = document["faults"]
    assert (first["detected_after_s"], first["dag"], first["task"]) == (
        31.4,
        "cdc_health",
        "ecommerce.check_slot",
    )
    assert (first["mail"], first["mail_at_the_end"], first["mended_after_s"]) == (
        "[CDC ecommerce] BREACH: slot", "OVER: slot", 75.2,
    )  # fmt: skip
    assert (second["detected_after_s"], second["mail"], second["green"]) == (None, None, False)


def test_the_table_shows_each_fault_and_why_it_is_not_green() -> None:
    console = Console(width=220, record=True, file=io.StringIO())
    console.print(report_table(report(GREEN, replace(GREEN, problem="a [red] problem", equal=False))))
    text = console.export_text()
    for word in ("idle-slot", "31 s", "cdc_health / check_slot, run by the drill", "BREACH: slot", "75 s"):
        assert word in text
    assert "[CDC ecommerce]" in text
    assert "a [red] problem" in text
    assert "max_progress_age_s 30" in text


def test_the_markdown_is_one_table_with_a_row_for_each_fault() -> None:
    text = report_markdown(report(GREEN, replace(GREEN, planted="x", mended_by="a | b", equal=False)))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert all(row.replace("\\|", "").count("|") == len(HEADINGS) + 1 for row in rows)
    assert rows[3].endswith("| NO |")
