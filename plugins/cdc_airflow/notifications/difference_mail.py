"""Sends the mail about what a reconciliation found, through the pipeline's own SMTP connection."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from airflow.providers.smtp.notifications.smtp import SmtpNotifier

from cdc.spec import AlertsSpec


class DifferenceMail(SmtpNotifier):
    """Says which tables differed from the source, in what, and what was done.

    Args:
        lines: the report's sentences; values in them are data and never rendered.
    """

    def __init__(
        self, pipeline: str, stream: str, alerts: AlertsSpec, lines: Sequence[str], **kwargs: Any
    ) -> None:
        super().__init__(
            to=list(alerts.to),
            from_email=alerts.sender,
            smtp_conn_id=alerts.connection,
            subject=f"[CDC {pipeline}] sinks differed from the source: stream {stream}",
            html_content="",
            **kwargs,
        )
        self.lines = tuple(lines)

    def notify(self, context: Any) -> None:
        """Build the text and send it."""
        ti = context["ti"]
        told = "\n".join(map(escape, self.lines))
        where = (
            f"<p>DAG <b>{escape(ti.dag_id)}</b>, task <b>{escape(ti.task_id)}</b> · "
            f'<a href="{escape(ti.log_url, quote=True)}">task log</a></p>'
        )
        self.html_content = f"<html><body><pre>{told}</pre>{where}</body></html>"
        self.log.info("Mail to %s: %s", ", ".join(self.to), self.subject)
        super().notify(context)
