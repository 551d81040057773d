"""Kafka's keys → the values that name a row."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import orjson
import pyarrow as pa

from cdc.spec import TableSpec
from cdc_spark.transformations.limits import POSTGRES, Limits
from cdc_spark.transformations.values import convert_column

Identity = tuple[Any, ...]
"""A key's values, as `comparable` gives them."""


def identity_of(key: bytes | None, table: TableSpec, limits: Limits) -> Identity | None:
    """A Kafka key's values; None when it is not one of this table."""
    try:
        named = orjson.loads(key or b"null")
    except orjson.JSONDecodeError:
        return None
    columns = table.key_columns
    if not isinstance(named, dict) or named.keys() != {column.name for column in columns}:
        return None
    arrays = [convert_column([named[c.name]], c.pg_type, limits) for c in columns]
    identity = tuple(comparable(array)[0] for array, _ in arrays)
    return None if None in identity else identity


def doubtful(
    keys: Collection[bytes], letters: Collection[bytes | None], table: TableSpec
) -> frozenset[bytes]:
    """Those of the keys whose rows in a sink may lack an event.

    Args:
        keys: keys of the table.
        letters: the keys of its open dead letters; one that cannot be read may be any of the table's.
        table: the table.
    """
    wanted = frozenset(keys)
    if all(identity_of(key, table, POSTGRES) is not None for key in letters):
        return wanted & frozenset(letters)
    return wanted


def comparable(values: pa.ChunkedArray | pa.Array) -> list[Any]:
    """A key column's values; moments as numbers, since Python has no year beyond 9999."""
    if pa.types.is_temporal(values.type):
        values = values.cast(pa.int32() if pa.types.is_date32(values.type) else pa.int64())
    listed: list[Any] = values.to_pylist()
    return listed
