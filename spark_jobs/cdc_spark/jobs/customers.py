"""The shop's customers."""

from __future__ import annotations

from cdc_spark.jobs.base import BaseJob
from cdc_spark.transformations.derived import add_email_normalized


class CustomersJob(BaseJob):
    """Adds a form of the e-mail address that compares equal however it was typed."""

    derived = {"public.customers": {"email_normalized": add_email_normalized}}  # noqa: RUF012
