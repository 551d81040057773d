"""Tells people what a reconciliation found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseNotifier

from cdc.spec import AlertsSpec
from cdc_airflow.notifications.failure_mail import place_of
from cdc_airflow.notifications.message import Entry, Message
from cdc_airflow.notifications.outbox import post


class DifferenceMail(BaseNotifier):
    """Says which tables differed from the source, in what, and what was done.

    Args:
        lines: the report's sentences; values in them are data and never rendered.
    """

    def __init__(
        self, pipeline: str, stream: str, alerts: AlertsSpec, lines: Sequence[str], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline, self.alerts, self.lines = pipeline, alerts, tuple(lines)
        self.subject = f"[CDC {pipeline}] sinks differed from the source: stream {stream}"

    def notify(self, context: Any) -> None:
        """Build the text and send it."""
        entry = Entry(self.subject, [("Found", self.lines[0])] if self.lines else [], "\n".join(self.lines))
        post([self.pipeline], self.alerts, Message(self.subject, [entry], place_of(context["ti"])))
