"""What `mapInArrow` runs over Kafka's records: parser and transformer over one Spark partition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa

from cdc_spark.transformations import placeholders
from cdc_spark.transformations.cdc_transformer import Seen, TableContext, Wrong, marker_rows, to_rows, told
from cdc_spark.transformations.changelog import ChangelogParser, whole_events
from cdc_spark.transformations.doubts import Doubt, doubts_of, settle, undecided
from cdc_spark.transformations.fill import Filler
from cdc_spark.transformations.kafka_parser import BadEvent, Envelopes, KafkaParser

RECORD_COLUMNS = ("key", "value", "partition", "offset")

Arrows = Iterator[pa.RecordBatch]


def row_function(context: TableContext) -> Callable[[Arrows], Arrows]:
    """Kafka's records → rows of `schemas.rows.row_schema`, the marker rows last."""

    def rows(batches: Arrows) -> Arrows:
        parser, filler = parser_of(context), Filler(context)
        doubts, seen = doubts_of(context.table, context.limits), Seen()
        bad: list[BadEvent] = []
        truncating: list[Envelopes] = []
        for batch in batches:
            if not batch.num_rows:
                continue
            envelopes = parser.parse(records(batch), whole=not _may_be_partial(batch))
            made = converted(envelopes, context, doubts, ask=True)
            if context.table.changelog:
                filled = whole_events(envelopes, *made)
            else:
                filled = filler.complete(envelopes, *made, batch)
            seen.add(envelopes)
            seen.superseded += filled.superseded
            bad += [*envelopes.bad, *filled.bad]
            if envelopes.truncates:
                truncating.append(envelopes)
            if filled.rows.num_rows:
                yield filled.rows
        if seen.events:
            yield marker_rows(context, datetime.now(UTC), bad, truncating, seen)

    return rows


def bad_events(batch: pa.RecordBatch, context: TableContext) -> list[BadEvent]:
    """The events of a batch that cannot be written whatever else is known, in the order of coordinates."""
    envelopes = parser_of(context).parse(records(batch))
    _, wrong = converted(envelopes, context, doubts_of(context.table, context.limits), ask=False)
    return sorted(
        [*envelopes.bad, *told(envelopes, wrong)], key=lambda event: (event.partition, event.offset)
    )


def converted(
    envelopes: Envelopes, context: TableContext, doubts: Mapping[int, Doubt], *, ask: bool
) -> tuple[pa.RecordBatch, Wrong]:
    """A row for each event, and which of them must not be used; what an event does not say is NULL."""
    if context.table.changelog:
        rows, wrong = to_rows(envelopes, context, datetime.now(UTC))
        return rows, undecided(envelopes, doubts) | wrong
    settle(envelopes, context, doubts, ask=ask)
    return to_rows(envelopes, context, datetime.now(UTC))


def parser_of(context: TableContext) -> KafkaParser:
    """The parser that the table's mode asks for."""
    if context.table.changelog:
        return ChangelogParser(context.table, context.parked, context.begins, context.void_below)
    return KafkaParser(context.table, context.parked, context.begins)


def records(batch: pa.RecordBatch) -> Iterator[tuple[bytes | None, bytes | None, int, int]]:
    """Key, value, partition and offset of each record."""
    key, value, partition, offset = (batch.column(name) for name in RECORD_COLUMNS)
    places = partition.to_numpy().tolist(), offset.to_numpy().tolist()
    return zip(_bytes(key), _bytes(value), *places, strict=True)


def _may_be_partial(batch: pa.RecordBatch) -> bool:
    """Look for placeholders in all values at once, which costs a quarter of a look into each."""
    _, _, data = batch.column("value").buffers()
    return data is not None and placeholders.may_hold(data.to_pybytes())


def _bytes(array: pa.Array) -> list[bytes | None]:
    """`to_pylist`, which takes several times as long since it makes an object of Arrow's for each value."""
    if not isinstance(array, pa.BinaryArray) or not len(array):
        values: list[bytes | None] = array.to_pylist()
        return values
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int32, len(array) + 1, array.offset * 4)
    first = int(ends[0])
    text = data.slice(first, int(ends[-1]) - first).to_pybytes() if data is not None else b""
    ends = (ends - first).tolist()
    found: list[bytes | None] = [text[begin:end] for begin, end in pairwise(ends)]
    if array.null_count:
        for position in np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)):
            found[position] = None
    return found
