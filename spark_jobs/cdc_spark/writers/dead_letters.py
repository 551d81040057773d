"""Dead letters: the second pass over a batch that has bad events, before the batch is acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from cdc.errors import CdcError
from cdc.model.columns import versions
from cdc.ops import DeadLetter, OpsStore
from cdc_spark.transformations.cdc_transformer import TableContext
from cdc_spark.transformations.parse import bad_events
from cdc_spark.writers.summary import Summary

Reasons = Mapping[tuple[int, int], tuple[str, str]]
"""Error and message by (partition, offset), of bad events that their records alone do not show."""
RECORD_COLUMNS = ("key", "value", "partition", "offset", "timestamp", "headers")


@dataclass(frozen=True)
class Origin:
    """Whose dead letters they are."""

    pipeline: str
    stream: str
    sink: str
    query: str


def dead_letter_function(
    context: TableContext, origin: Origin, ops: OpsStore, known: Reasons
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Kafka's records → the ops store, those that cannot be written; yields one summary.

    Args:
        context: the table.
        origin: whose dead letters they are.
        ops: the ops store.
        known: bad events that their records alone do not show.
    """

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        summary = Summary()
        try:
            for batch in batches:
                letters = letters_of(batch, context, origin, known)
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
    batch: pa.RecordBatch, context: TableContext, origin: Origin, known: Reasons
) -> list[DeadLetter]:
    """The bad events of a batch with their raw bytes: those that are known, and those that do not fit."""
    bad = {**known, **{(e.partition, e.offset): (e.error, e.message) for e in bad_events(batch, context)}}
    if not bad:
        return []
    records = [r for r in batch.to_pylist() if (r["partition"], r["offset"]) in bad]
    partitions, offsets = [r["partition"] for r in records], [r["offset"] for r in records]
    packed = versions(context.topic, context.generations, partitions, offsets).tolist()
    return [
        _letter(record, context, origin, version >> 48, *bad[record["partition"], record["offset"]])
        for record, version in zip(records, packed, strict=True)
    ]


def _letter(
    record: dict[str, Any], context: TableContext, origin: Origin, generation: int, error: str, message: str
) -> DeadLetter:
    return DeadLetter(
        generation=generation,
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
