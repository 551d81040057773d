"""Jobs: what is particular to the tables of a stream."""

from cdc_spark.jobs.base import BaseJob
from cdc_spark.jobs.customers import CustomersJob
from cdc_spark.jobs.orders import OrdersJob
from cdc_spark.jobs.products import ProductsJob
from cdc_spark.jobs.registry import job_for

__all__ = ["BaseJob", "CustomersJob", "OrdersJob", "ProductsJob", "job_for"]
