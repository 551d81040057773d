"""Horizons as they were: the version below which a topic could hand out no event any more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from cdc.ops.base import OpsDatabase

_ANY = SQL("true")
_NOT_NEWEST = SQL(
    "EXISTS (SELECT 1 FROM cdc_ops.progress AS newer WHERE newer.query = old.query "
    "AND newer.finished_at > old.finished_at)"
)
_NOT_LAST = SQL(
    "(old.report ->> 'window' IS NOT NULL OR EXISTS (SELECT 1 FROM cdc_ops.reconciliations AS newer "
    'WHERE newer.pipeline = old.pipeline AND newer."table" = old."table" AND newer.id > old.id '
    "AND newer.report ->> 'window' IS NULL))"
)
_NOT_LAST_THERE = SQL(
    "EXISTS (SELECT 1 FROM cdc_ops.maintenance AS newer WHERE newer.pipeline = old.pipeline "
    'AND newer.place = old.place AND newer."table" = old."table" AND newer.id > old.id)'
)


class HorizonStore(OpsDatabase):
    """The lowest version of each partition of a topic, each time that maintenance looked."""

    def record_horizon(self, topic: str, versions: Mapping[int, int]) -> None:
        """Keep what Kafka's earliest offsets are now, as versions."""
        self.rows(
            "INSERT INTO cdc_ops.horizons (topic, versions) VALUES (%s, %s)", (topic, Jsonb(dict(versions)))
        )

    def horizon(self, topic: str, age: timedelta) -> dict[int, int] | None:
        """The newest one that is at least so old; None when there is none yet."""
        row = self.one(
            "SELECT versions FROM cdc_ops.horizons WHERE topic = %s AND recorded_at <= now() - %s "
            "ORDER BY recorded_at DESC LIMIT 1",
            (topic, age),
        )
        return None if row is None else {int(partition): v for partition, v in row["versions"].items()}

    def purge(self, days: int) -> dict[str, int]:
        """Forget what is older: replayed dead letters, incidents, messages, samples, batches, runs.

        The newest batch of each query, the newest reconciliation of each whole table, the last upkeep of each
        table in each sink and open incidents stay.

        Returns:
            How many rows of each went.
        """
        tables = {
            "dead letters": ("dead_letters", "replayed_at", _ANY),
            "batches": ("progress", "finished_at", _NOT_NEWEST),
            "incidents": ("incidents", "over_at", _ANY),
            "deliveries": ("deliveries", "created_at", _ANY),
            "slot samples": ("slot_samples", "at", _ANY),
            "connector restarts": ("connector_restarts", "at", _ANY),
            "horizons": ("horizons", "recorded_at", _ANY),
            "bounded runs": ("bounded_runs", "touched_at", _ANY),
            "reconciliations": ("reconciliations", "finished_at", _NOT_LAST),
            "maintenance reports": ("maintenance", "finished_at", _NOT_LAST_THERE),
        }
        gone = {}
        for name, (table, time, which) in tables.items():
            statement = SQL(
                "WITH gone AS (DELETE FROM {} AS old WHERE {} < now() - make_interval(days => %s) AND {} "
                "RETURNING 1) SELECT count(*) AS n FROM gone"
            ).format(Identifier("cdc_ops", table), Identifier("old", time), which)
            gone[name] = int(self.rows(statement, (days,))[0]["n"])
        return gone
