"""Derived columns: plain `DataFrame -> DataFrame`, stateless; a source column is never changed."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 the name everybody knows it by
from pyspark.sql.types import DecimalType

_BUDGET_BELOW, _PREMIUM_FROM = 20, 100


def add_email_normalized(customers: DataFrame) -> DataFrame:
    """`email_normalized`: the address without surrounding spaces, in lower case."""
    return customers.withColumn("email_normalized", F.lower(F.trim("email")))


def add_price_band(products: DataFrame) -> DataFrame:
    """`price_band`: budget below 20, standard below 100, premium from there."""
    price = F.col("price")
    band = F.when(price < _BUDGET_BELOW, "budget").when(price < _PREMIUM_FROM, "standard")
    return products.withColumn("price_band", band.when(price >= _PREMIUM_FROM, "premium"))


def add_net_amount(orders: DataFrame) -> DataFrame:
    """`net_amount`: the total less the discount, exact to six places."""
    kept = F.lit(1).cast(DecimalType(1, 0)) - F.coalesce(F.col("discount"), F.lit(0).cast(DecimalType(5, 4)))
    return orders.withColumn("net_amount", (F.col("total_amount") * kept).cast(DecimalType(18, 6)))


def add_line_total(items: DataFrame) -> DataFrame:
    """`line_total`: quantity times unit price, exact."""
    total = F.col("quantity").cast(DecimalType(10, 0)) * F.col("unit_price")
    return items.withColumn("line_total", total.cast(DecimalType(24, 2)))
