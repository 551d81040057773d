"""What a screen lists of the ops store: who was told of what, and what comparisons found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cdc.ops.base import OpsDatabase
from cdc.ops.incidents import RETRIED_FOR

_TOLD = """
    SELECT incidents, channel, target, subject, created_at, tried_at, attempts, error, delivered_at,
      given_up_at
    FROM cdc_ops.deliveries
    WHERE pipeline = %(pipeline)s AND (delivered_at IS NULL OR incidents && %(incidents)s::bigint[])
    ORDER BY delivered_at IS NOT NULL, id DESC LIMIT 200
"""
_REPORTS = """
    SELECT id, "table", started_at, finished_at, equal, report FROM cdc_ops.reconciliations WHERE id IN (
      (SELECT max(id) FROM cdc_ops.reconciliations
        WHERE pipeline = %(pipeline)s AND report ->> 'window' IS NULL GROUP BY "table")
      UNION
      (SELECT id FROM cdc_ops.reconciliations WHERE pipeline = %(pipeline)s ORDER BY id DESC LIMIT %(limit)s)
      UNION
      (SELECT id FROM cdc_ops.reconciliations WHERE pipeline = %(pipeline)s AND NOT equal
        ORDER BY id DESC LIMIT %(limit)s)
    ) ORDER BY id DESC LIMIT 100
"""


@dataclass(frozen=True)
class Told:
    """A message to people, without its text.

    Attributes:
        incidents: what it is about, by id.
        target: whom, for a person.
        error: why it did not get there; empty when it did, or was not tried.
        given_up_at: when it was seen that nobody is there any more to send it to.
    """

    incidents: Sequence[int]
    channel: str
    target: str
    subject: str
    created_at: datetime
    tried_at: datetime | None
    attempts: int
    error: str
    delivered_at: datetime | None
    given_up_at: datetime | None = None

    @property
    def failed(self) -> bool:
        """It was tried and did not get there."""
        return self.delivered_at is None and self.attempts > 0

    @property
    def given_up(self) -> bool:
        """It is not sent any more."""
        if self.given_up_at is not None:
            return True
        return self.delivered_at is None and self.created_at < datetime.now(UTC) - RETRIED_FOR


@dataclass(frozen=True)
class Report:
    """What the reconciliation of one table found and did.

    Attributes:
        report: what `as_dict` of `cdc.services.reconcile_report.TableReconciliation` gave, perhaps in another
            version.
    """

    id: int
    table: str
    started_at: datetime
    finished_at: datetime
    equal: bool
    report: Mapping[str, Any]


class HistoryStore(OpsDatabase):
    """Lists, newest first."""

    def told(self, pipeline: str, incidents: Sequence[int]) -> list[Told]:
        """The messages about these incidents, and every one that did not get there."""
        values = {"pipeline": pipeline, "incidents": list(incidents)}
        return [Told(**row) for row in self.rows(_TOLD, values)]

    def reports(self, pipeline: str, limit: int = 12) -> list[Report]:
        """The newest reports, the newest that found a difference, and the last of each whole table."""
        return [Report(**row) for row in self.rows(_REPORTS, {"pipeline": pipeline, "limit": limit})]
