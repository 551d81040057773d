"""Sends the mail about a failed task, through the pipeline's own SMTP connection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Self

from airflow.providers.smtp.notifications.smtp import SmtpNotifier

from cdc.spec import AlertsSpec, Pipeline
from cdc_airflow.notifications.message import Failure, build_message


class FailureMail(SmtpNotifier):
    """Says what failed, since when, with which figures, and what to do.

    How it works: a failure callback. The text is built from the task's error when the task has failed, not
    from Jinja templates, so a source's identifiers in it are data and never rendered.

    What it does not do: speak of a worker that died with its task, since Airflow then runs no task callback;
    the next run of the DAG does.
    """

    def __init__(self, pipelines: Sequence[str], alerts: AlertsSpec, **kwargs: Any) -> None:
        super().__init__(
            to=list(alerts.to),
            from_email=alerts.sender,
            smtp_conn_id=alerts.connection,
            subject="",
            html_content="",
            **kwargs,
        )
        self.pipelines = tuple(pipelines)

    @classmethod
    def of(cls, *pipelines: Pipeline) -> list[Self]:
        """One mail for each group of people, for a task that serves all of `pipelines`."""
        groups: dict[AlertsSpec, list[str]] = {}
        for pipeline in pipelines:
            groups.setdefault(pipeline.alerts, []).append(pipeline.name)
        return [cls(names, alerts) for alerts, names in groups.items()]

    def notify(self, context: Any) -> None:
        """Build the text and send it."""
        self._write(context)
        self.log.info("Mail to %s: %s", ", ".join(self.to), self.subject)
        super().notify(context)

    async def async_notify(self, context: Any) -> None:
        """The same, where a loop runs."""
        self._write(context)
        await super().async_notify(context)

    def error(self, context: Any) -> BaseException | str | None:
        """What the mail is about."""
        error: BaseException | str | None = context.get("exception")
        return error

    def _write(self, context: Any) -> None:
        ti = context["ti"]
        message = build_message(
            Failure(
                pipelines=self.pipelines,
                dag_id=ti.dag_id,
                task_id=ti.task_id,
                run_id=ti.run_id,
                log_url=ti.log_url,
                error=self.error(context),
                at=datetime.now(UTC),
            )
        )
        self.subject, self.html_content = message.subject, message.html
