"""Typed envelopes → rows: typed source columns, version and lineage. No Spark, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import orjson
import pyarrow as pa

from cdc.errors import GenerationError, SchemaChangedError
from cdc.model.version import MAX_GENERATION, MAX_OFFSET
from cdc.spec import ColumnSpec, TableSpec
from cdc_spark.schemas.rows import Operation, row_schema
from cdc_spark.transformations.kafka_parser import BadEvent, Envelopes
from cdc_spark.transformations.limits import Limits
from cdc_spark.transformations.lookups import Lookups
from cdc_spark.transformations.values import convert_column

Steps = Mapping[int, Sequence[tuple[int, int]]]
"""`{partition: [(from offset, generation), …]}` of one topic, as `Generations.for_topic` gives it."""


@dataclass(frozen=True)
class TableContext:
    """What an executor needs to turn a table's events into rows of a sink."""

    table: TableSpec
    topic: str
    generations: Steps
    limits: Limits
    lookups: Lookups
    parked: Mapping[int, int] | None = None


@dataclass
class Seen:
    """What was seen beside the rows, over one Spark partition."""

    events: int = 0
    tombstones: int = 0
    parked: int = 0
    superseded: int = 0
    until: dict[int, int] = field(default_factory=dict)

    def add(self, envelopes: Envelopes) -> None:
        """Add a stretch of records."""
        self.events += envelopes.events
        self.tombstones += envelopes.tombstones
        self.parked += envelopes.parked
        self.until.update(envelopes.until)

    def to_note(self) -> str:
        """The form in which it travels in a row's `_note`."""
        return orjson.dumps(self.__dict__, option=orjson.OPT_NON_STR_KEYS).decode()


Wrong = dict[int, tuple[str, str]]
"""By an event's position: the error's class name, and why it cannot be written."""


def to_rows(envelopes: Envelopes, context: TableContext, now: datetime) -> tuple[pa.RecordBatch, Wrong]:
    """Build a row for each event; one with a value that does not fit is told, and its row must not be used.

    Values that an event does not say are NULL.
    """
    columns, wrong = source_columns(envelopes, context)
    moments = pa.array(envelopes.moments, pa.int64()).view(pa.timestamp("us", tz="UTC"))
    rows = pa.RecordBatch.from_arrays(
        [
            *columns,
            pa.array([now] * len(envelopes.ops), pa.timestamp("us", tz="UTC")),
            versions(envelopes.partitions, envelopes.offsets, context),
            pa.array(envelopes.ops, pa.string()),
            pa.array(envelopes.lsns, pa.int64()),
            pa.array(envelopes.tx_ids, pa.int64()),
            moments,
            pa.array(envelopes.partitions, pa.int32()),
            pa.array(envelopes.offsets, pa.int64()),
            pa.nulls(len(envelopes.ops), pa.string()),
        ],
        schema=row_schema(context.table),
    )
    return rows, wrong


def source_columns(envelopes: Envelopes, context: TableContext) -> tuple[list[pa.Array], Wrong]:
    """The table's columns from the events' values; what does not fit is NULL and told."""
    wrong: Wrong = {}
    columns = []
    by_column = (
        zip(*envelopes.values, strict=True) if envelopes.values else ([] for _ in context.table.columns)
    )
    for number, (column, values) in enumerate(zip(context.table.columns, by_column, strict=True)):
        array, misfits = convert_column(values, column.pg_type, context.limits)
        for position, (kind, reason) in misfits.items():
            wrong.setdefault(position, (kind.__name__, f"column {column.name!r}: {reason}"))
        for position in _nulls(number, column, values, envelopes):
            wrong.setdefault(position, (SchemaChangedError.__name__, _missing_message(column)))
        columns.append(array)
    return columns, wrong


def told(envelopes: Envelopes, wrong: Wrong) -> list[BadEvent]:
    """The events that `to_rows` found to be bad."""
    return [
        BadEvent(envelopes.partitions[i], envelopes.offsets[i], *why, envelopes.keys[i])
        for i, why in sorted(wrong.items())
    ]


def marker_rows(
    context: TableContext, now: datetime, bad: Iterable[BadEvent], envelopes: Iterable[Envelopes], seen: Seen
) -> pa.RecordBatch:
    """Rows without source columns: they tell the writer of truncates, bad events and what was seen."""
    truncates = [truncate for stretch in envelopes for truncate in stretch.truncates]
    versioned = versions([t.partition for t in truncates], [t.offset for t in truncates], context).to_pylist()
    entries = [
        {
            "_op": Operation.TRUNCATE,
            "_version": v,
            "_lsn": t.lsn,
            "_partition": t.partition,
            "_offset": t.offset,
        }
        for t, v in zip(truncates, versioned, strict=True)
    ]
    for event in bad:
        why = {"error": event.error, "message": event.message, "late": event.late}
        note = orjson.dumps(why).decode()
        entries.append(
            {"_op": Operation.BAD, "_partition": event.partition, "_offset": event.offset, "_note": note}
        )
    entries.append({"_op": Operation.SEEN, "_note": seen.to_note()})
    return pa.RecordBatch.from_pylist(
        [{**e, "processed_at": now} for e in entries], row_schema(context.table)
    )


def versions(partitions: Sequence[int], offsets: Sequence[int], context: TableContext) -> pa.Array:
    """`cdc.model.version.pack` over columns.

    Raises:
        GenerationError: coordinates without a recorded generation.
    """
    places, numbers = np.asarray(partitions, np.int64), np.asarray(offsets, np.int64)
    generations = np.zeros(len(numbers), np.int64)
    for partition in np.unique(places):
        steps = context.generations.get(int(partition), ())
        here = places == partition
        starts = np.asarray([start for start, _ in steps], np.int64)
        step = np.searchsorted(starts, numbers[here], side="right") - 1
        if not len(steps) or step.min(initial=0) < 0:
            raise GenerationError(
                f"{context.topic}[{partition}] has offsets without a recorded generation: run `cdc apply`, "
                "which records every topic of the pipeline"
            )
        generations[here] = np.asarray([generation for _, generation in steps], np.int64)[step]
    if len(numbers) and (numbers.max() > MAX_OFFSET or generations.max() > MAX_GENERATION):
        raise GenerationError(f"{context.topic}: an offset or a generation is beyond what a version holds")
    return pa.array(generations << 48 | (numbers + 1) << 1, pa.int64())


def _nulls(number: int, column: ColumnSpec, values: Sequence[object], envelopes: Envelopes) -> list[int]:
    if column.nullable or None not in values:
        return []
    ops, missing = envelopes.ops, envelopes.missing
    return [
        i
        for i, (value, op) in enumerate(zip(values, ops, strict=True))
        if value is None and op != "d" and not (i in missing and number in missing[i].columns)
    ]


def _missing_message(column: ColumnSpec) -> str:
    return (
        f"column {column.name!r}: received NULL, expected {column.type} NOT NULL: the source's column has "
        "become nullable; run `cdc discover` and `cdc apply`, then replay"
    )
