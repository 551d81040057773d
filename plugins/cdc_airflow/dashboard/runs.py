"""Runs of the platform's DAGs, from Airflow's own database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

FAILED = "failed"


@dataclass(frozen=True)
class PastRun:
    """One run of a DAG.

    Attributes:
        at: when it was asked for.
        manual: a person asked for it.
        newest: the DAG's last one.
    """

    dag_id: str
    run_id: str
    state: str
    at: datetime
    manual: bool
    newest: bool


def read_runs(dag_ids: Iterable[str], window: timedelta, limit: int = 200) -> list[PastRun]:
    """The newest run of each DAG, and those of the window that failed or that a person asked for."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import or_, select

    found: list[PastRun] = []
    since = datetime.now(UTC) - window
    with create_session() as session:
        for dag_id in dag_ids:
            own = select(DagRun).where(DagRun.dag_id == dag_id).order_by(DagRun.id.desc())
            newest = session.scalars(own.limit(1)).first()
            if newest is None:
                continue
            telling = own.where(
                DagRun.run_after >= since, or_(DagRun.state == FAILED, DagRun.run_type == "manual")
            )
            others = [run for run in session.scalars(telling.limit(limit)) if run.id != newest.id]
            found += [_past(run, newest=run is newest) for run in (newest, *others)]
    return found


def why_it_cannot_run(dag_id: str) -> str:
    """Why a run of the DAG would not begin now; empty when it would."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.get(DagModel, dag_id)
        if found is None or found.is_stale:
            return f"Airflow has no DAG {dag_id!r}: see its import errors"
        if found.has_import_errors:
            return f"the file of DAG {dag_id} has import errors: mend them first"
        if found.is_paused:
            return f"DAG {dag_id} is paused, so the run would wait: unpause it in Airflow first"
    return ""


def _past(run: DagRun, *, newest: bool) -> PastRun:
    at = run.queued_at or run.run_after
    return PastRun(run.dag_id, run.run_id, str(run.state), at, str(run.run_type) == "manual", newest)
