"""The shop's products."""

from __future__ import annotations

from cdc_spark.jobs.base import BaseJob
from cdc_spark.transformations.derived import add_price_band


class ProductsJob(BaseJob):
    """Adds the price band that reports group by."""

    derived = {"public.products": {"price_band": add_price_band}}  # noqa: RUF012
