"""What runs of upkeep did, table by table: who keeps sinks in shape leaves a report here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.sql import SQL
from psycopg.types.json import Jsonb

from cdc.ops.base import OpsDatabase

KAFKA, OPS_STORE = "Kafka", "ops store"
"""Places beside the sinks, whose names have neither capitals nor spaces."""
_COLUMNS = SQL('id, run, place, "table", started_at, finished_at, report')
_NEWEST = SQL("SELECT {} FROM cdc_ops.maintenance WHERE pipeline = %s ORDER BY id DESC LIMIT %s").format(
    _COLUMNS
)
_LAST = SQL(
    'SELECT DISTINCT ON (place, "table") {} FROM cdc_ops.maintenance WHERE pipeline = %s '
    'ORDER BY place, "table", id DESC'
).format(_COLUMNS)


@dataclass(frozen=True)
class MaintenanceReport:
    """What one run did at one place.

    Attributes:
        run: the command, or the DAG and its run.
        place: a sink, `KAFKA` (whether it keeps events for long enough) or `OPS_STORE`.
        table: its name in the sinks; empty where it is about all of them.
        report: what `as_dict` of `cdc.services.upkeep_report.TableUpkeep` gave, perhaps in another version.
    """

    id: int
    run: str
    place: str
    table: str
    started_at: datetime
    finished_at: datetime
    report: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def done(self) -> Sequence[str]:
        """What was done, in words."""
        return tuple(self.report.get("done", ()))

    @property
    def left(self) -> Sequence[str]:
        """What was not, and why; of Kafka, what is not as it should be."""
        return tuple(self.report.get("left", ()))

    @property
    def merged_bytes(self) -> int:
        """The compressed size of the partitions that were merged, as it was before."""
        merged = (one for one in self.report.get("partitions", ()) if not one.get("left"))
        return sum(int(one.get("before", {}).get("bytes", 0)) for one in merged)

    @property
    def outcome(self) -> str:
        """In one or two words."""
        if self.place == KAFKA:
            return "not ok" if self.left else "ok"
        if self.left:
            return "in part" if self.done else "not done"
        return "done" if self.done else "nothing to do"

    def as_document(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "run": self.run,
            "place": self.place,
            "table": self.table,
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "seconds": self.seconds,
            "outcome": self.outcome,
            "merged_bytes": self.merged_bytes,
            **self.report,
        }


class MaintenanceStore(OpsDatabase):
    """Reports of upkeep."""

    def record_maintenance(
        self, pipeline: str, run: str, place: str, table: str, started_at: datetime, report: Mapping[str, Any]
    ) -> None:
        """Keep what was done at one place, which ends now."""
        self.rows(
            'INSERT INTO cdc_ops.maintenance (pipeline, run, place, "table", started_at, finished_at, '
            "report) VALUES (%s, %s, %s, %s, %s, clock_timestamp(), %s)",
            (pipeline, run, place, table, started_at, Jsonb(dict(report))),
        )

    def maintenance(self, pipeline: str, limit: int) -> list[MaintenanceReport]:
        """The newest first."""
        return [MaintenanceReport(**row) for row in self.rows(_NEWEST, (pipeline, limit))]

    def last_maintenance(self, pipeline: str) -> list[MaintenanceReport]:
        """The last report of each place and table, the newest first."""
        found = [MaintenanceReport(**row) for row in self.rows(_LAST, (pipeline,))]
        return sorted(found, key=lambda one: -one.id)
