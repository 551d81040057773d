"""Typed envelopes → rows: typed source columns, version and lineage. No Spark, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson
import pyarrow as pa

from cdc.errors import SchemaChangedError
from cdc.model.columns import Steps, versions
from cdc.spec import ColumnSpec, TableSpec
from cdc_spark.schemas.rows import Operation, row_schema
from cdc_spark.transformations.kafka_parser import BadEvent, Envelopes
from cdc_spark.transformations.limits import Limits
from cdc_spark.transformations.values import convert_column


@dataclass(frozen=True)
class TableContext:
    """What an executor needs to turn a table's events into rows of a sink."""

    table: TableSpec
    topic: str
    generations: Steps
    limits: Limits
    parked: Mapping[int, int] | None = None


@dataclass
class Seen:
    """What was seen beside the rows, over one Spark partition."""

    events: int = 0
    tombstones: int = 0
    parked: int = 0
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


def to_rows(
    envelopes: Envelopes, context: TableContext, now: datetime
) -> tuple[pa.RecordBatch, list[BadEvent]]:
    """Build rows; events with a value that does not fit are left out and told."""
    wrong: dict[int, tuple[str, str]] = {}
    columns = []
    by_column = (
        zip(*envelopes.values, strict=True) if envelopes.values else ([] for _ in context.table.columns)
    )
    for column, values in zip(context.table.columns, by_column, strict=True):
        array, misfits = convert_column(values, column.pg_type, context.limits)
        for position, (kind, reason) in misfits.items():
            wrong.setdefault(position, (kind.__name__, f"column {column.name!r}: {reason}"))
        for position in _missing(column, values, envelopes.ops):
            wrong.setdefault(position, (SchemaChangedError.__name__, _missing_message(column)))
        columns.append(array)
    moments = pa.array(envelopes.moments, pa.int64()).view(pa.timestamp("us", tz="UTC"))
    rows = pa.RecordBatch.from_arrays(
        [
            *columns,
            pa.array([now] * len(envelopes.ops), pa.timestamp("us", tz="UTC")),
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
    if not wrong:
        return rows, []
    bad = [BadEvent(envelopes.partitions[i], envelopes.offsets[i], *why) for i, why in sorted(wrong.items())]
    return rows.filter(pa.array([i not in wrong for i in range(len(envelopes.ops))])), bad


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
        note = orjson.dumps({"error": event.error, "message": event.message}).decode()
        entries.append(
            {"_op": Operation.BAD, "_partition": event.partition, "_offset": event.offset, "_note": note}
        )
    entries.append({"_op": Operation.SEEN, "_note": seen.to_note()})
    return pa.RecordBatch.from_pylist(
        [{**e, "processed_at": now} for e in entries], row_schema(context.table)
    )


def _missing(column: ColumnSpec, values: Sequence[object], ops: Sequence[str]) -> list[int]:
    if column.nullable or None not in values:
        return []
    return [i for i, (value, op) in enumerate(zip(values, ops, strict=True)) if value is None and op != "d"]


def _missing_message(column: ColumnSpec) -> str:
    return (
        f"column {column.name!r}: received NULL, expected {column.type} NOT NULL: the source's column has "
        "become nullable; run `cdc discover` and `cdc apply`, then replay"
    )
