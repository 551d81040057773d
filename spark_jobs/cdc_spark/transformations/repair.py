"""Keys → rows as they are at the source now: what is there becomes a repair row, what is not a tombstone.

The order of reading gives a repair its place: the end of the key's partition, then the row, then the log
position while the table's lock is held (`Lookups.source`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa

from cdc.errors import DataError, GenerationError
from cdc.model.columns import Steps
from cdc.model.partitioner import misplaced
from cdc.model.reconcile import fence_version
from cdc_spark.schemas.arrow import arrow_type
from cdc_spark.schemas.rows import Operation
from cdc_spark.transformations.cdc_transformer import Seen, TableContext, marker_rows, rows_at, told
from cdc_spark.transformations.envelopes import BadEvent, Envelopes
from cdc_spark.transformations.keys import Identity, identity_of
from cdc_spark.transformations.lookups import SourceRows

KEYS = pa.schema([("key", pa.binary()), ("partition", pa.int32())])
"""What is read: Kafka's keys and their partitions."""
_CHUNK = 5_000

Arrows = Iterator[pa.RecordBatch]


def repair_function(context: TableContext) -> Callable[[Arrows], Arrows]:
    """Keys → rows of `schemas.rows.row_schema`, the marker rows last."""

    def rows(batches: Arrows) -> Arrows:
        seen, bad = Seen(), list[BadEvent]()
        for batch in batches:
            for at in range(0, batch.num_rows, _CHUNK):
                keys = batch.slice(at, _CHUNK)
                made, wrong = _repaired(keys, context)
                seen.events += keys.num_rows
                bad += wrong
                yield made
        if seen.events:
            yield marker_rows(context, datetime.now(UTC), bad, (), seen)

    return rows


def _repaired(keys: pa.RecordBatch, context: TableContext) -> tuple[pa.RecordBatch, list[BadEvent]]:
    wanted = {
        _identity(key, context): (key, partition)
        for key, partition in zip(*(column.to_pylist() for column in keys.columns), strict=True)
    }
    answer = context.lookups.source(_key_table(list(wanted), context))
    _check_places(wanted.values(), answer, context)
    now = datetime.now(UTC)
    events = Envelopes()
    found = _identities(answer, context)
    for identity, values in zip(found, answer.values, strict=True):
        # The source may hold keys to be equal that Kafka tells apart.
        if identity in wanted:
            _add(events, Operation.READ, values, *wanted.pop(identity), answer, now)
    names = [column.name for column in context.table.columns]
    for key, partition in wanted.values():
        named = orjson.loads(key)
        values = tuple(named.get(name) for name in names)
        _add(events, Operation.DELETE, values, key, partition, answer, now)
    numbers = [_version(answer.generations, p, answer.ends[p]) for p in events.partitions]
    rows, wrong = rows_at(events, context, now, pa.array(numbers, pa.int64()))
    keep = pa.array([position not in wrong for position in range(rows.num_rows)])
    return rows.filter(keep), told(events, wrong)


def _add(
    events: Envelopes,
    op: Operation,
    values: tuple[Any, ...],
    key: bytes,
    partition: int,
    answer: SourceRows,
    now: datetime,
) -> None:
    origin = answer.lsn, None, int(now.timestamp() * 1_000_000)
    events.add(key, op, values, origin, (partition, answer.ends[partition] - 1))


def _check_places(keys: Iterable[tuple[bytes, int]], answer: SourceRows, context: TableContext) -> None:
    """The keys were placed some time ago, and the end of another partition would hide later changes."""
    partitions = len(answer.ends)
    if partitions != len(answer.generations) or misplaced(keys, partitions):
        raise GenerationError(
            f"topic {context.topic} has {partitions} partitions, and had others when the places of the keys "
            f"of {context.table.source} in it were computed, so nothing was repaired: run it again"
        )


def _version(steps: Steps, partition: int, end: int) -> int:
    return fence_version(max(generation for since, generation in steps[partition] if since <= end), end)


def _identity(key: bytes, context: TableContext) -> Identity:
    identity = identity_of(key, context.table, context.limits)
    if identity is None:
        raise DataError(f"{key!r} is no key of {context.table.source}: run the reconciliation again")
    return identity


def _identities(answer: SourceRows, context: TableContext) -> list[Identity]:
    """The keys of the rows that were read, in the form of those that were asked for."""
    places = [context.table.columns.index(column) for column in context.table.key_columns]
    keys = [
        orjson.dumps({c.name: row[at] for c, at in zip(context.table.key_columns, places, strict=True)})
        for row in answer.values
    ]
    return [_identity(key, context) for key in keys]


def _key_table(identities: Sequence[Identity], context: TableContext) -> pa.Table:
    columns = context.table.key_columns
    arrays = zip(*identities, strict=True)
    return pa.table(
        {c.name: pa.array(values, arrow_type(c.pg_type)) for c, values in zip(columns, arrays, strict=True)}
    )
