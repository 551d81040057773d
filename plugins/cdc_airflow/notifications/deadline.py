"""Tells people of a DAG run that takes longer than it may; runs in the triggerer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from airflow.configuration import conf
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from cdc.errors import UnavailableError
from cdc.model.verdict import Alarm
from cdc.spec import Pipeline
from cdc_airflow.notifications.message import Entry, Message, Place, runbook, subject_of
from cdc_airflow.notifications.outbox import post
from cdc_airflow.pipelines import find_pipeline


def deadline_of(pipelines: Sequence[Pipeline], minutes: Sequence[int]) -> DeadlineAlert | None:
    """The deadline of a DAG that serves all of these: the longest that one of them allows.

    Args:
        pipelines: whom the DAG serves.
        minutes: each pipeline's limit, from the moment that a run is queued: Airflow 3.3 reckons a deadline
            when it makes the run, and knows of no start then.

    Returns:
        None in `airflow dags test`, which nobody waits for elsewhere.
    """
    if not pipelines or _in_dags_test():
        return None
    longest = max(minutes)
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(minutes=longest),
        callback=AsyncCallback(
            tell_missed_deadline, kwargs={"pipelines": [p.name for p in pipelines], "minutes": longest}
        ),
    )


def _in_dags_test() -> bool:
    """Whether this is `airflow dags test`.

    It ends every run of a DAG with a deadline by an error: Airflow 3.3 looks its deadlines up by an id that a
    DAG has only once it was stored, which this command does not do.
    """
    return sys.argv[1:3] == ["dags", "test"]


async def tell_missed_deadline(pipelines: list[str], minutes: int, context: Any = None) -> str:
    """Tell the people of each pipeline, those who share an address once.

    A run of `airflow backfill create` is queued with all the others, and waits for its turn: nobody is told.

    Args:
        pipelines: whom the DAG serves.
        minutes: what was allowed.
        context: the DAG run, as Airflow hands it to a deadline's callback.

    Raises:
        UnavailableError: it did not get there; Airflow keeps this with the callback, and the ops store too.
    """
    run = (context or {}).get("dag_run") or {}
    if run.get("run_type") == "backfill":
        return f"{run.get('dag_run_id')} is one of a backfill's runs, which wait for each other"
    return await asyncio.to_thread(_tell, pipelines, minutes, run)


def _tell(pipelines: Sequence[str], minutes: int, run: Mapping[str, Any]) -> str:
    dag_id, run_id = str(run.get("dag_id", "?")), str(run.get("dag_run_id", "?"))
    groups: dict[Any, list[str]] = {}
    for name in pipelines:
        groups.setdefault(find_pipeline(name)[0].alerts, []).append(name)
    errors = [
        why
        for alerts, names in groups.items()
        for why in post(
            names, alerts, late_message(names, minutes, dag_id, run_id, str(run.get("queued_at")))
        )
    ]
    if errors:
        raise UnavailableError("; ".join(errors))
    return f"told that {dag_id} is late"


def late_message(names: Sequence[str], minutes: int, dag_id: str, run_id: str, queued_at: str) -> Message:
    """What people are told."""
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    url = f"{base}/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}"
    said = f"DAG {dag_id} has not ended after {minutes} min"
    rows = [
        ("What", f"{said}: it goes on, and is not stopped"),
        ("Since", f"queued at {queued_at}"),
        ("Figures", f"limit_minutes = {minutes}"),
        ("What to do", "Look at the run's tasks and their logs: what waits, and for whom."),
        ("Runbook", runbook(Alarm.DEADLINE)),
    ]
    return Message(
        subject_of(names, "BREACH", said),
        [Entry(f"DAG {dag_id}", rows)],
        Place(dag_id, "", run_id, url, "DAG run"),
    )
