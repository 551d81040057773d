"""What a task runs over Kafka's records: parser and transformer over one Spark partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime

import pyarrow as pa

from cdc_spark.transformations import placeholders
from cdc_spark.transformations.cdc_transformer import Seen, TableContext, Wrong, marker_rows, to_rows, told
from cdc_spark.transformations.changelog import ChangelogParser, whole_events
from cdc_spark.transformations.doubts import Doubt, doubts_of, settle, undecided
from cdc_spark.transformations.envelopes import BadEvent, Envelopes
from cdc_spark.transformations.fill import Filler
from cdc_spark.transformations.kafka_parser import KafkaParser, Record
from cdc_spark.transformations.records import Records, from_arrow
from cdc_spark.transformations.usual_events import UsualEvents

Arrows = Iterator[pa.RecordBatch]


def row_function(context: TableContext) -> Callable[[Arrows], Arrows]:
    """Kafka's records in Arrow → rows of `schemas.rows.row_schema`, the marker rows last."""
    return lambda batches: rows_of(map(from_arrow, batches), context)


def rows_of(stretches: Iterable[Records], context: TableContext) -> Arrows:
    """Stretches of Kafka's records → rows of `schemas.rows.row_schema`, the marker rows last."""
    parser, usual, filler = parser_of(context), _usual(context), Filler(context)
    doubts, seen = doubts_of(context.table, context.limits), Seen()
    bad: list[BadEvent] = []
    truncating: list[Envelopes] = []
    for records in stretches:
        if not len(records):
            continue
        whole = not _may_be_partial(records)
        read = usual.read(records) if usual is not None and whole else None
        envelopes = read if read is not None else parser.parse(_each(records), whole=whole)
        made = converted(envelopes, context, doubts, ask=True)
        if context.table.changelog:
            filled = whole_events(envelopes, *made)
        else:
            filled = filler.complete(envelopes, *made, records)
        seen.add(envelopes)
        seen.superseded += filled.superseded
        bad += [*envelopes.bad, *filled.bad]
        if envelopes.truncates:
            truncating.append(envelopes)
        if filled.rows.num_rows:
            yield filled.rows
    if seen.events:
        yield marker_rows(context, datetime.now(UTC), bad, truncating, seen)


def bad_events(batch: pa.RecordBatch, context: TableContext) -> list[BadEvent]:
    """The events of a batch that cannot be written whatever else is known, in the order of coordinates."""
    envelopes = parser_of(context).parse(_each(from_arrow(batch)))
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


def _usual(context: TableContext) -> UsualEvents | None:
    table = context.table
    if table.changelog or table.unsent or context.parked is not None:
        return None
    return UsualEvents(table, context.begins)


def _each(records: Records) -> Iterator[Record]:
    return zip(records.keys, records.values, records.partitions, records.offsets, strict=True)


def _may_be_partial(records: Records) -> bool:
    """Look for placeholders in all values at once, which costs a quarter of a look into each."""
    return placeholders.may_hold(b"\n".join(filter(None, records.values)))
