"""Sends the mail that asks for an approval."""

from __future__ import annotations

from typing import Any

from cdc.model.health import Level, Verdict
from cdc_airflow.findings import CheckFailedError, Finding
from cdc_airflow.notifications.failure_mail import FailureMail


class ApprovalMail(FailureMail):
    """Says which table of the source has changed and how, and what an approval does.

    How it works: a notifier of the task that asks; what it says comes with the run (`difference`, `plan`).
    """

    def error(self, context: Any) -> BaseException:
        """The difference, as a finding."""
        params = context["params"]
        verdict = Verdict(
            Level.BREACH,
            subject=f"table {params['table']}",
            sentence=f"{params['table']} is parked, the source has changed: {params['difference']}",
            todo=f"{params['plan']}. Approve or reject it in Airflow: Required Actions of this DAG run.",
        )
        return CheckFailedError((Finding(verdict),))
