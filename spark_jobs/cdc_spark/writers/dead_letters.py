"""Dead letters: the second pass over a batch that has bad events, before the batch is acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from cdc.errors import CdcError
from cdc.ops import DeadLetter, OpsStore
from cdc_spark.transformations.cdc_transformer import TableContext
from cdc_spark.transformations.kafka_parser import BadEvent
from cdc_spark.transformations.parse import bad_events
from cdc_spark.writers.summary import Summary

RECORD_COLUMNS = ("key", "value", "partition", "offset", "timestamp", "headers")


@dataclass(frozen=True)
class Origin:
    """Whose dead letters they are."""

    pipeline: str
    stream: str
    sink: str
    query: str


def dead_letter_function(
    context: TableContext, origin: Origin, ops: OpsStore, late: Sequence[BadEvent] = ()
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Kafka's records → the ops store, those that cannot be written; yields one summary.

    Args:
        context: the table.
        origin: whose dead letters they are.
        ops: the ops store.
        late: bad events that their records alone do not show.
    """

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        summary = Summary()
        try:
            for batch in batches:
                letters = letters_of(batch, context, origin, late)
                ops.add_dead_letters(letters)
                summary.bad += len(letters)
        except CdcError as error:
            summary.failure = (type(error).__name__, str(error))
            for _ in batches:
                pass
        finally:
            ops.close()
        yield pa.RecordBatch.from_pydict({"summary": [summary.to_json()]})

    return write


def letters_of(
    batch: pa.RecordBatch, context: TableContext, origin: Origin, late: Sequence[BadEvent] = ()
) -> list[DeadLetter]:
    """The bad events of a batch with their raw bytes."""
    bad = {(event.partition, event.offset): event for event in [*late, *bad_events(batch, context)]}
    if not bad:
        return []
    letters = []
    for record in batch.to_pylist():
        event = bad.get((record["partition"], record["offset"]))
        if event is not None:
            letters.append(_letter(record, context, origin, event.error, event.message))
    return letters


def _letter(
    record: dict[str, Any], context: TableContext, origin: Origin, error: str, message: str
) -> DeadLetter:
    return DeadLetter(
        pipeline=origin.pipeline,
        stream=origin.stream,
        sink=origin.sink,
        query=origin.query,
        table=context.table.name,
        topic=context.topic,
        partition=record["partition"],
        offset=record["offset"],
        timestamp=record["timestamp"],
        key=record["key"],
        value=record["value"],
        headers=_headers(record["headers"]),
        error_class=error,
        message=message,
    )


def _headers(headers: Sequence[dict[str, Any]] | None) -> list[list[str | None]]:
    return [
        [
            header["key"],
            None if header["value"] is None else header["value"].decode(errors="backslashreplace"),
        ]
        for header in headers or ()
    ]
