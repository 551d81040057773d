"""What `mapInArrow` runs over Kafka's records: parser and transformer over one Spark partition."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pyarrow as pa

from cdc_spark.transformations.cdc_transformer import Seen, TableContext, marker_rows, to_rows, told
from cdc_spark.transformations.fill import Filler
from cdc_spark.transformations.kafka_parser import BadEvent, Envelopes, KafkaParser

RECORD_COLUMNS = ("key", "value", "partition", "offset")

Arrows = Iterator[pa.RecordBatch]


def row_function(context: TableContext) -> Callable[[Arrows], Arrows]:
    """Kafka's records → rows of `schemas.rows.row_schema`, the marker rows last."""

    def rows(batches: Arrows) -> Arrows:
        parser, filler = KafkaParser(context.table, context.parked, context.begins), Filler(context)
        seen = Seen()
        bad: list[BadEvent] = []
        truncating: list[Envelopes] = []
        for batch in batches:
            if not batch.num_rows:
                continue
            envelopes = parser.parse(records(batch))
            filled = filler.complete(envelopes, *to_rows(envelopes, context, datetime.now(UTC)), batch)
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
    envelopes = KafkaParser(context.table, context.parked, context.begins).parse(records(batch))
    _, wrong = to_rows(envelopes, context, datetime.now(UTC))
    return sorted(
        [*envelopes.bad, *told(envelopes, wrong)], key=lambda event: (event.partition, event.offset)
    )


def records(batch: pa.RecordBatch) -> Iterator[tuple[bytes | None, bytes | None, int, int]]:
    """Key, value, partition and offset of each record."""
    return zip(*(batch.column(name).to_pylist() for name in RECORD_COLUMNS), strict=True)
