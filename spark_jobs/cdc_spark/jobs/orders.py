"""The shop's orders and their items."""

from __future__ import annotations

from cdc_spark.jobs.base import BaseJob
from cdc_spark.transformations.derived import add_line_total, add_net_amount


class OrdersJob(BaseJob):
    """Adds exact amounts: an order's net amount, an item's line total."""

    derived = {  # noqa: RUF012
        "public.orders": {"net_amount": add_net_amount},
        "public.order_items": {"line_total": add_line_total},
    }
