"""Questions that Airflow asks a person about a pipeline's tables, and where they are answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from airflow.models.hitl import HITLDetail

ASKING = {"cdc_schema_change": "approve_change", "cdc_resync": "approve_resync"}
"""DAGs that ask, and the task of each pipeline's group that does."""


@dataclass(frozen=True)
class Approval:
    """A task that waits for an answer.

    Attributes:
        table: by its name in the sinks.
        subject: the question.
        body: what an approval does.
        since: when it was asked.
        path: of Airflow's page on which it is answered, below Airflow's address.
    """

    dag_id: str
    table: str
    subject: str
    body: str
    since: datetime
    path: str


def read_approvals(pipeline: str) -> list[Approval]:
    """The open questions about a pipeline, oldest first."""
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy import and_, or_, select

    asking = or_(
        *(
            and_(TaskInstance.dag_id == dag_id, TaskInstance.task_id == f"{pipeline}.{task}")
            for dag_id, task in ASKING.items()
        )
    )
    statement = (
        select(HITLDetail)
        .join(TaskInstance, TaskInstance.id == HITLDetail.ti_id)
        .where(asking, HITLDetail.responded_at.is_(None))
        .where(TaskInstance.state.in_([TaskInstanceState.AWAITING_INPUT, TaskInstanceState.DEFERRED]))
        .order_by(HITLDetail.created_at)
        .limit(50)
    )
    with create_session() as session:
        return [_approval(detail) for detail in session.scalars(statement)]


def _approval(detail: HITLDetail) -> Approval:
    task = detail.task_instance
    return Approval(
        task.dag_id,
        str((task.dag_run.conf or {}).get("table", "")),
        detail.subject,
        detail.body or "",
        detail.created_at,
        page_of(task.dag_id, task.run_id, task.task_id, task.map_index),
    )


def page_of(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    """Airflow's page of a task's required actions, as `HITLOperator.generate_link_to_ui` makes it."""
    parts = ("dags", dag_id, "runs", run_id, "tasks", task_id)
    return "/" + "/".join(quote(part, safe="") for part in parts) + f"/required_actions?map_index={map_index}"
