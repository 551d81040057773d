"""What a check's findings mean for its incidents; told and kept. `cdc_health` calls nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cdc.connections import Connection
from cdc.model.incidents import Incident, Turn, follow
from cdc.spec import Pipeline
from cdc_airflow.checks import Check
from cdc_airflow.findings import Finding
from cdc_airflow.hooks.cdc import CdcHook
from cdc_airflow.notifications.incident_text import build_news
from cdc_airflow.notifications.message import Place
from cdc_airflow.notifications.outbox import deliver, drafts_of
from cdc_airflow.pipelines import find_pipeline, readable_pipelines

if TYPE_CHECKING:
    from cdc.ops import Delivery, Draft, OpsStore
    from cdc.ops.incidents import Compose

UNWATCHED_FOR = timedelta(days=1)
"""After which the incidents of a pipeline that no file declares are over; until then they may be another
folder's, which shares the ops store."""


def follow_check(check: Check, findings: Sequence[Finding], place: Place) -> list[Turn]:
    """Decide, keep, and tell people of what is new.

    Args:
        check: what was looked at.
        findings: what was found, after the check's patience.
        place: the task.

    Returns:
        What became of the check's incidents.

    Raises:
        UnavailableError: the ops store does not answer, so nobody knows what was told already.
    """
    from cdc.ops import OpsStore

    pipeline, _ = find_pipeline(check.pipeline)
    at = datetime.now(UTC)
    gap = timedelta(minutes=pipeline.policies.reminder_minutes)
    verdicts = [finding.verdict for finding in findings]
    details = {finding.verdict.subject: finding.detail for finding in findings}

    def decide(open_: dict[str, Incident]) -> list[Turn]:
        return follow(open_, verdicts, gap, at)

    with OpsStore(_ops(pipeline)) as ops:
        ops.ensure_schema()
        compose = _composer(pipeline, details, place, at)
        turns, deliveries = ops.follow_incidents(pipeline.name, check.name, decide, compose)
        deliver(ops, deliveries, pipeline.alerts)
    return turns


def deliver_again(pipeline: Pipeline, checks: Sequence[Check], place: Place) -> tuple[int, list[str]]:
    """Send what did not get there, and end incidents that no check looks at any more, which is told.

    Those of a pipeline that is gone are ended too, and told to the people of the first one that shares its
    ops store.

    Args:
        pipeline: the pipeline.
        checks: those that look.
        place: the task.

    Returns:
        How many messages were due, and why some did not get there again.

    Raises:
        UnavailableError: the ops store does not answer.
    """
    from cdc.ops import OpsStore

    with OpsStore(_ops(pipeline)) as ops:
        ops.ensure_schema()
        at = datetime.now(UTC)
        due = ops.undelivered(pipeline.name, due=True)
        names = [check.name for check in checks]
        over = ops.end_other_incidents(pipeline.name, names, at, _composer(pipeline, {}, place, at))
        gone = _end_incidents_of_gone_pipelines(ops, pipeline, place, at)
        return len(due), deliver(ops, [*due, *over, *gone], pipeline.alerts)


def _end_incidents_of_gone_pipelines(
    ops: OpsStore, pipeline: Pipeline, place: Place, at: datetime
) -> list[Delivery]:
    """What the people of an ops store's first pipeline, and nobody else, are told of those that are gone."""
    found, broken = readable_pipelines()
    declared = [one.name for one in found if one.ops.connection == pipeline.ops.connection]
    # A file that cannot be read may declare any.
    if broken or declared[:1] != [pipeline.name]:
        return []
    return [
        delivery
        for name in ops.unwatched_pipelines(declared, at - UNWATCHED_FOR)
        for delivery in ops.end_other_incidents(
            name,
            [],
            at,
            _composer(pipeline, {}, place, at, about=name),
            why=f"no pipeline {name} is declared, and none of its checks has run for a day",
            kept_by=pipeline.name,
        )
    ]


def _composer(
    pipeline: Pipeline, details: Mapping[str, str], place: Place, at: datetime, about: str = ""
) -> Compose:
    def compose(turns: Sequence[Turn]) -> list[tuple[Draft, Sequence[Turn]]]:
        news = build_news(about or pipeline.name, turns, details, place, at)
        return [(draft, told) for message, told in news for draft in drafts_of(message, pipeline.alerts)]

    return compose


def _ops(pipeline: Pipeline) -> Connection:
    return CdcHook().connections([pipeline.ops.connection]).get(pipeline.ops.connection)
