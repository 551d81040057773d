"""Values that PostgreSQL holds while the type in which they travel does not: they travel as its own text."""

from __future__ import annotations

from typing import Any

from cdc.types import PgType
from cdc_spark.transformations.limits import INFINITE_MICROS
from cdc_spark.transformations.moments import far_moment_micros
from cdc_spark.transformations.postgres_text import moment_text
from cdc_spark.transformations.shapes import PostgresText

NAN = "NAN"
"""Debezium's word for it."""


def beyond_text(value: Any, pg: PgType) -> str | None:
    """PostgreSQL's text of such a value, None when it is not one.

    These are NaN among decimals, and the last 29 years of timestamps, which 64 bits of microseconds from 1970
    do not reach.
    """
    if pg.dimensions:
        return None
    if pg.decimal is not None and value == NAN:
        return "NaN"
    if pg.base == "timestamp without time zone" and isinstance(value, PostgresText):
        return str(value)
    if pg.base == "timestamp with time zone" and isinstance(value, str):
        try:
            micros = far_moment_micros(value)
        except ValueError:
            return None
        return moment_text(micros, "+00") if micros >= INFINITE_MICROS[1] else None
    return None
