"""Upkeep: what the last run did at each place, figures before and after, and what it left. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cdc.model.lag import duration
from cdc.ops.maintenance import MaintenanceReport
from cdc_airflow.dashboard.figures import NONE, bytes_text, count_text

FIGURES = ("parts", "rows", "tombstones", "bytes")
SHOWN = 20
"""Of what was done, and of what was left, so many lines; `cdc maintenance` has them all."""


@dataclass(frozen=True)
class MaintenanceRow:
    """One place.

    Attributes:
        place: a sink, Kafka or the ops store.
        table: empty where it is about all of them.
        outcome: in one or two words.
        before, after: figures, as many as are known.
        merged_bytes: of the partitions that were merged.
        done, left: in words.
        run: which run, or command, it was.
    """

    id: int
    place: str
    table: str
    outcome: str
    at: datetime
    took: str
    before: dict[str, int]
    after: dict[str, int]
    merged_bytes: int
    done: tuple[str, ...]
    left: tuple[str, ...]
    run: str

    @property
    def figures(self) -> tuple[str, ...]:
        """Before → after, in the order of `FIGURES`."""
        return tuple(self._figure(name, bytes_text if name == "bytes" else count_text) for name in FIGURES)

    def _figure(self, name: str, text: Callable[[float], str]) -> str:
        if name not in self.before or name not in self.after:
            return NONE
        before, after = text(self.before[name]), text(self.after[name])
        return after if before == after else f"{before} → {after}"


def maintenance_rows(reports: Sequence[MaintenanceReport]) -> tuple[MaintenanceRow, ...]:
    """The reports in their order."""
    return tuple(_row(report) for report in reports)


def _row(one: MaintenanceReport) -> MaintenanceRow:
    return MaintenanceRow(
        id=one.id,
        place=one.place,
        table=one.table,
        outcome=one.outcome,
        at=one.finished_at,
        took=duration(max(0.0, one.seconds)),
        before=dict(one.report.get("before", {})),
        after=dict(one.report.get("after", {})),
        merged_bytes=one.merged_bytes,
        done=_first(one.done),
        left=_first(one.left),
        run=one.run,
    )


def _first(lines: Sequence[str]) -> tuple[str, ...]:
    more = len(lines) - SHOWN
    return (*lines[:SHOWN], f"{more:,} more, which `cdc maintenance` shows") if more > 0 else tuple(lines)
