"""Typed envelopes → rows: typed source columns, version and lineage. No Spark, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

import orjson
import pyarrow as pa

from cdc.errors import SchemaChangedError
from cdc.model.columns import Steps, versions
from cdc.spec import ColumnSpec, TableSpec
from cdc_spark.schemas.rows import Operation, row_schema
from cdc_spark.transformations.kafka_parser import BadEvent, Envelopes
from cdc_spark.transformations.limits import Limits
from cdc_spark.transformations.lookups import Lookups
from cdc_spark.transformations.values import convert_column


class Trust(Enum):
    """What may fill a value that an event does not say; what it does not name is not believed."""

    SINK = "sink"
    """The task's records and the sink's rows."""
    RECORDS = "records"
    """The task's records: the sink's rows may lack events that are being read again."""
    NOTHING = "nothing"
    """Neither: between two of the records others may be missing, as between dead letters."""


@dataclass(frozen=True)
class TableContext:
    """What an executor needs to turn a table's events into rows of a sink."""

    table: TableSpec
    topic: str
    generations: Steps
    limits: Limits
    lookups: Lookups
    parked: Mapping[int, int] | None = None
    trust: Trust = Trust.SINK


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
            pa.repeat(pa.scalar(now, pa.timestamp("us", tz="UTC")), len(envelopes.ops)),
            pa.array(versions(context.topic, context.generations, envelopes.partitions, envelopes.offsets)),
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
    partitions, offsets = [t.partition for t in truncates], [t.offset for t in truncates]
    versioned = versions(context.topic, context.generations, partitions, offsets).tolist()
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
