"""Backfills, replays and resyncs: how far each is, and how it ended. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cdc.model.bounded_run import BoundedRun
from cdc.model.lag import duration


@dataclass(frozen=True)
class RunRow:
    """One run.

    Attributes:
        part: which part of the table.
        state: `running`, `done`, `failed`, or `broken off` when it has said nothing for an hour.
        done, estimate: rows, or events of a replay; nobody may know how many it is about.
        share: how much of it is done, from 0 to 1; None when nobody knows.
        unit: `rows` or `events`.
        bad: how many a sink could not hold.
        said_at: its last word.
        took: how long it ran, or has run.
    """

    id: str
    kind: str
    table: str
    part: str
    sinks: tuple[str, ...]
    state: str
    done: int
    estimate: int | None
    share: float | None
    unit: str
    bad: int
    since: datetime
    said_at: datetime
    took: str
    message: str


def run_rows(runs: Sequence[BoundedRun], now: datetime) -> tuple[RunRow, ...]:
    """The runs in their order."""
    return tuple(_row(run, now) for run in runs)


def _row(run: BoundedRun, now: datetime) -> RunRow:
    gone = run.broken_off(now)
    ended = run.finished_at or (run.touched_at if gone else now)
    return RunRow(
        id=str(run.id),
        kind=str(run.kind),
        table=run.table,
        part=run.part,
        sinks=tuple(run.sinks),
        state="broken off" if gone else run.state,
        done=run.done,
        estimate=run.estimate,
        share=_share(run),
        unit=run.unit,
        bad=run.bad,
        since=run.started_at,
        said_at=run.touched_at,
        took=duration(max(0.0, (ended - run.started_at).total_seconds())),
        message=run.message,
    )


def _share(run: BoundedRun) -> float | None:
    if run.state == "done":
        return 1.0
    if run.estimate is None:
        return None
    # The estimate is one: a run may write more than that and still not be done.
    return min(0.99, run.done / run.estimate) if run.estimate else 0.0
