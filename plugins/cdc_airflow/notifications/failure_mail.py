"""Tells people of a failed task, by mail and webhook."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Self

from airflow.sdk import BaseNotifier

from cdc.spec import AlertsSpec, Pipeline
from cdc_airflow.findings import CheckFailedError
from cdc_airflow.notifications.message import Failure, Message, Place, build_message
from cdc_airflow.notifications.outbox import post


class FailureMail(BaseNotifier):
    """Says what failed, since when, with which figures, and what to do.

    How it works: a failure callback. The text is built from the task's error when the task has failed, not
    from Jinja templates, so a source's identifiers in it are data and never rendered. A check whose incident
    was told already is not told again.

    What it does not do: speak of a worker that died with its task, since Airflow then runs no task callback;
    the next run of the DAG does.

    Args:
        pipelines: whom the task serves.
        alerts: whom to tell.
        once: only when the task's previous run did not fail; for a DAG that runs every few minutes.
    """

    def __init__(
        self, pipelines: Sequence[str], alerts: AlertsSpec, *, once: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.pipelines = tuple(pipelines)
        self.alerts = alerts
        self.once = once

    @classmethod
    def of(cls, *pipelines: Pipeline, once: bool = False) -> list[Self]:
        """One message for each group of people, for a task that serves all of `pipelines`."""
        groups: dict[AlertsSpec, list[str]] = {}
        for pipeline in pipelines:
            groups.setdefault(pipeline.alerts, []).append(pipeline.name)
        return [cls(names, alerts, once=once) for alerts, names in groups.items()]

    def notify(self, context: Any) -> None:
        """Build the text and send it."""
        error = self.error(context)
        if isinstance(error, CheckFailedError) and error.told:
            self.log.info("The incident was told already")
        elif self.once and _failed_before(context):
            self.log.info("The task's previous run failed too, and that was told")
        else:
            post(self.pipelines, self.alerts, self.message(context))

    async def async_notify(self, context: Any) -> None:
        """The same, where a loop runs."""
        await asyncio.to_thread(self.notify, context)

    def error(self, context: Any) -> BaseException | str | None:
        """What the message is about."""
        error: BaseException | str | None = context.get("exception")
        return error

    def message(self, context: Any) -> Message:
        """What is told."""
        place = place_of(context["ti"])
        return build_message(Failure(self.pipelines, place, self.error(context), datetime.now(UTC)))


def place_of(ti: Any) -> Place:
    """Where a task instance is found."""
    return Place(ti.dag_id, ti.task_id, ti.run_id, ti.log_url)


def _failed_before(context: Any) -> bool:
    try:
        run = context["dag_run"]
        # A run that an asset has woken has no logical date: without one, Airflow answers with any run.
        previous = context["ti"].get_previous_ti(logical_date=run.logical_date or run.run_after)
    except Exception:  # noqa: BLE001 - whatever Airflow says here, a message too many is better than none
        return False
    return previous is not None and str(getattr(previous.state, "value", previous.state)) == "failed"
