"""What the cases came to, for a person and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from local_stack.cases.case_file import Case, Outcome
from local_stack.cases.outcome import CaseResult, DeliveryResult, TableFacts


def results_json(results: Sequence[CaseResult]) -> dict[str, Any]:
    """All results, and whether every outcome is the expected one."""
    return {"passed": all(r.passed for r in results), "cases": [result.as_dict() for result in results]}


def print_results(results: Sequence[CaseResult], console: Console) -> None:
    """For each case and delivery: the outcome, the reason, and each table's rows."""
    for result in results:
        verdict = "[green]as expected[/]" if result.passed else "[red]NOT as expected[/]"
        said = f"{result.case.file}: expected {result.case.expect}: {verdict}{_without_steps(result.case)}"
        console.print(said, highlight=False)
        for delivery in result.deliveries:
            for text in delivery_lines(delivery):
                console.print(text, markup=False, highlight=False)
    passed = sum(result.passed for result in results)
    console.print(f"{passed} of {len(results)} cases as expected", highlight=False)


def delivery_lines(delivery: DeliveryResult) -> list[str]:
    """One delivery in words."""
    head = f"  {delivery.delivery}: {delivery.outcome}"
    lines = [f"{head}: {delivery.reason}" if delivery.reason else head]
    return lines + [f"    {_table_line(facts)}" for facts in delivery.tables]


def _without_steps(case: Case) -> str:
    # Such a case is about the snapshot alone; somebody who forgot the steps must see it beside `equal`.
    if case.steps or case.expect is Outcome.REFUSED:
        return ""
    return " (it has no step: no change after its setup was captured)"


def _table_line(facts: TableFacts) -> str:
    if facts.report is None:
        return f"{facts.table}: {facts.problem}"
    rows = ", ".join(f"{side} {count:,}" for side, count in facts.report.rows.items())
    differing = sum(map(facts.differing, facts.report.counts))
    line = f"{facts.table}: rows: {rows}; {differing:,} differ"
    mended = ", ".join(f"{count:,} in {sink}" for sink, count in facts.mended.items())
    return f"{line}; {mended} were mended by the reconciliation" if mended else line
