"""Which job carries a stream."""

from __future__ import annotations

from cdc.spec import StreamSpec
from cdc_spark.jobs.base import BaseJob
from cdc_spark.jobs.customers import CustomersJob
from cdc_spark.jobs.orders import OrdersJob
from cdc_spark.jobs.products import ProductsJob

JOBS: dict[str, type[BaseJob]] = {"customers": CustomersJob, "orders": OrdersJob, "products": ProductsJob}


def job_for(stream: StreamSpec) -> BaseJob:
    """The stream's job: the class of its name, else the default one.

    Raises:
        ConfigurationError: the pipeline declares a derived column that the job cannot make.
    """
    return JOBS.get(stream.name, BaseJob)(stream)
