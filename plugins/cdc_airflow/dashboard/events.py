"""What happened, as marks on the time axis that the charts share. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cdc.ops.overview import PastEvent
from cdc_airflow.dashboard.charts import Axis
from cdc_airflow.dashboard.runs import FAILED, PastRun

BAD = frozenset(
    {"incident", "restart", "failure", "parked", "dead letter", "failed run", "difference", "not told"}
)


@dataclass(frozen=True)
class Mark:
    """One event.

    Attributes:
        x: 0 at the beginning of the axis, 1 at its end.
        bad: something went wrong.
    """

    at: datetime
    x: float
    kind: str
    text: str
    bad: bool


def marks_of(events: Sequence[PastEvent], runs: Sequence[PastRun], axis: Axis) -> tuple[Mark, ...]:
    """Events and telling runs within the axis, newest first."""
    found = [(event.at, event.kind, event.text) for event in events]
    for run in runs:
        if run.state == FAILED:
            found.append((run.at, "failed run", f"DAG {run.dag_id} failed"))
        elif run.manual:
            found.append((run.at, "run by hand", f"DAG {run.dag_id} was run by hand: {run.state}"))
    marks = [
        Mark(at, axis.x(at), kind, text, kind in BAD) for at, kind, text in found if 0 <= axis.x(at) <= 1
    ]
    return tuple(sorted(marks, key=lambda mark: mark.at, reverse=True))
