"""Sends once more what people were to be told and were not, and ends what nobody looks at any more."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator

from cdc.errors import UnavailableError
from cdc_airflow.checks import health_checks
from cdc_airflow.incidents import deliver_again
from cdc_airflow.notifications.failure_mail import place_of
from cdc_airflow.pipelines import find_pipeline


class DeliverAgainOperator(BaseOperator):
    """Tries again the mails and webhooks that failed within the last day, and fails when one still does.

    Incidents of streams that left the pipeline, and of pipelines that are gone, are over.

    Args:
        pipeline: the pipeline's name.
    """

    def __init__(self, *, pipeline: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline

    def execute(self, context: Any) -> int:
        """Send; returns how many got there."""
        pipeline, _ = find_pipeline(self.pipeline)
        due, errors = deliver_again(pipeline, health_checks(pipeline), place_of(context["ti"]))
        self.log.info("%d message(s) were to be sent again, %d of them in vain", due, len(errors))
        if errors:
            raise UnavailableError(
                f"{len(errors)} message(s) could not be delivered: {errors[0]}; they are tried again at the "
                "next run, and `cdc alerts` lists them"
            )
        return due
