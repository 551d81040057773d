"""Reports of reconciliations, the keys that a repair is about, and the parts of partitioned tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from cdc.ops.base import OpsDatabase
from cdc.ops.records import Repair


class ReconciliationStore(OpsDatabase):
    """What comparisons found, and what they leave for others to do."""

    def record_reconciliation(
        self, pipeline: str, table: str, started_at: datetime, *, equal: bool, report: Mapping[str, Any]
    ) -> None:
        """Keep the report of one table."""
        self.rows(
            'INSERT INTO cdc_ops.reconciliations (pipeline, "table", started_at, finished_at, equal, report) '
            "VALUES (%s, %s, %s, clock_timestamp(), %s, %s)",
            (pipeline, table, started_at, equal, Jsonb(dict(report))),
        )

    def last_reconciliations(self, pipeline: str) -> dict[str, dict[str, Any]]:
        """The newest report of each whole table, by its name in the sinks; windows' do not count."""
        rows = self.rows(
            'SELECT DISTINCT ON ("table") "table", started_at, finished_at, equal, report '
            "FROM cdc_ops.reconciliations WHERE pipeline = %s AND report ->> 'window' IS NULL "
            'ORDER BY "table", id DESC',
            (pipeline,),
        )
        return {row["table"]: dict(row) for row in rows}

    def ask_repairs(self, run: UUID, pipeline: str, repairs: Iterable[Repair]) -> None:
        """Leave keys for a bounded run; asked again, nothing changes."""
        listed = list(repairs)
        self.rows(
            'INSERT INTO cdc_ops.repairs (run, pipeline, "table", sink, key, partition) '
            'SELECT %s, %s, k."table", k.sink, k.key, k.partition '
            "FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::int[]) "
            'AS k ("table", sink, key, partition) ON CONFLICT DO NOTHING',
            (
                run,
                pipeline,
                [r.table for r in listed],
                [r.sink for r in listed],
                [r.key for r in listed],
                [r.partition for r in listed],
            ),
        )

    def repairs(self, run: UUID, pipeline: str, table: str, sink: str) -> list[Repair]:
        """The keys of one table in one sink."""
        rows = self.rows(
            'SELECT "table", sink, key, partition FROM cdc_ops.repairs '
            'WHERE run = %s AND pipeline = %s AND "table" = %s AND sink = %s ORDER BY key',
            (run, pipeline, table, sink),
        )
        return [Repair(row["table"], row["sink"], bytes(row["key"]), row["partition"]) for row in rows]

    def forget_repairs(self, run: UUID) -> None:
        """The run's work is done."""
        self.rows("DELETE FROM cdc_ops.repairs WHERE run = %s", (run,))

    def recorded_parts(self, pipeline: str, table: str) -> list[list[Any]] | None:
        """The parts that a table had, or None when they were never recorded."""
        row = self.one(
            'SELECT parts FROM cdc_ops.partitions WHERE pipeline = %s AND "table" = %s', (pipeline, table)
        )
        return row["parts"] if row else None

    def record_parts(self, pipeline: str, table: str, parts: Iterable[Iterable[Any]]) -> None:
        """The parts that a table has now."""
        self.rows(
            'INSERT INTO cdc_ops.partitions (pipeline, "table", parts) VALUES (%s, %s, %s) '
            'ON CONFLICT (pipeline, "table") DO UPDATE SET parts = excluded.parts, recorded_at = now()',
            (pipeline, table, Jsonb([list(part) for part in parts])),
        )
