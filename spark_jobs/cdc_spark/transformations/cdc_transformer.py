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
from cdc_spark.transformations.beyond import NAN, beyond_text
from cdc_spark.transformations.envelopes import BadEvent, Envelopes
from cdc_spark.transformations.limits import POSTGRES, Limits
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
    """What an executor needs to turn a table's events into rows of a sink.

    Attributes:
        trusted_from: the LSN below which the sink's rows may lack changes that were never captured.
        void_below: of a changelog, the LSN below which an event counts no more and need not be written.
    """

    table: TableSpec
    topic: str
    generations: Steps
    limits: Limits
    lookups: Lookups
    parked: Mapping[int, int] | None = None
    trust: Trust = Trust.SINK
    void_below: int = 0
    begins: Mapping[int, int] = field(default_factory=dict)
    trusted_from: int = 0


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
        self.superseded += envelopes.replaced
        self.until.update(envelopes.until)

    def to_note(self) -> str:
        """The form in which it travels in a row's `_note`."""
        return orjson.dumps(self.__dict__, option=orjson.OPT_NON_STR_KEYS).decode()


_OF_ROWS: frozenset[str] = frozenset({Operation.DELETE})
_OF_CHANGELOG: frozenset[str] = frozenset({Operation.EMPTIED, Operation.SNAPSHOT})
"""Operations whose rows have no values; those of a delete in a changelog are of the row that went."""

Wrong = dict[int, tuple[str, str]]
"""By an event's position: the error's class name, and why it cannot be written."""


def to_rows(envelopes: Envelopes, context: TableContext, now: datetime) -> tuple[pa.RecordBatch, Wrong]:
    """Build a row for each event; one with a value that does not fit is told, and its row must not be used.

    Values that an event does not say are NULL.
    """
    numbers = versions(context.topic, context.generations, envelopes.partitions, envelopes.offsets)
    return rows_at(envelopes, context, now, pa.array(numbers))


def rows_at(
    envelopes: Envelopes, context: TableContext, now: datetime, numbers: pa.Array
) -> tuple[pa.RecordBatch, Wrong]:
    """The same with versions that do not follow from the events' coordinates."""
    columns, wrong = source_columns(envelopes, context)
    moments = pa.array(envelopes.moments, pa.int64()).view(pa.timestamp("us", tz="UTC"))
    rows = pa.RecordBatch.from_arrays(
        [
            *columns,
            pa.repeat(pa.scalar(now, pa.timestamp("us", tz="UTC")), len(envelopes.ops)),
            numbers,
            pa.array(envelopes.ops, pa.string()),
            pa.array(envelopes.lsns, pa.int64()),
            pa.array(envelopes.tx_ids, pa.int64()),
            moments,
            pa.array(envelopes.partitions, pa.int32()),
            pa.array(envelopes.offsets, pa.int64()),
            exact_notes(envelopes),
        ],
        schema=row_schema(context.table),
    )
    return rows, wrong


def source_columns(envelopes: Envelopes, context: TableContext) -> tuple[list[pa.Array], Wrong]:
    """The table's columns from the events' values; what does not fit is NULL and told.

    What only PostgreSQL's own text says is NULL too, and kept in the envelopes' `exact`.
    """
    wrong: Wrong = {}
    columns = []
    without_values = _OF_CHANGELOG if context.table.changelog else _OF_ROWS
    blank = sum(map(envelopes.ops.count, without_values))
    by_column = (
        zip(*envelopes.values, strict=True) if envelopes.values else ([] for _ in context.table.columns)
    )
    for number, (column, values) in enumerate(zip(context.table.columns, by_column, strict=True)):
        usual = _without_nan(values, column, envelopes) if context.limits.takes_text else values
        array, misfits = convert_column(usual, column.pg_type, context.limits)
        for position, (kind, reason) in misfits.items():
            text = beyond_text(values[position], column.pg_type) if context.limits.takes_text else None
            if text is not None:
                envelopes.exact.setdefault(position, {})[column.name] = text
                continue
            wrong.setdefault(position, (kind.__name__, f"column {column.name!r}: {reason}"))
        # A row without values has none in every column but the key's, so a count tells of others.
        nulls = 0 if column.nullable else values.count(None)
        for position in _nulls(number, values, envelopes, without_values) if nulls not in (0, blank) else ():
            wrong.setdefault(position, (SchemaChangedError.__name__, _missing_message(column)))
        columns.append(array)
    return columns, wrong


def _without_nan(values: Sequence[object], column: ColumnSpec, envelopes: Envelopes) -> Sequence[object]:
    """The values without NaN among decimals, which may be many, and which `exact` has instead."""
    pg = column.pg_type
    if pg.decimal is None or pg.in_text or pg.dimensions or NAN not in values:
        return values
    for position, value in enumerate(values):
        if value == NAN:
            envelopes.exact.setdefault(position, {})[column.name] = "NaN"
    return [None if value == NAN else value for value in values]


def exact_notes(envelopes: Envelopes) -> pa.Array:
    """The rows' `_note`: what of them travels as text, for a sink that takes it."""
    count = len(envelopes.ops)
    if not envelopes.exact:
        return pa.nulls(count, pa.string())
    notes = (envelopes.exact.get(position) for position in range(count))
    return pa.array([None if note is None else orjson.dumps(note).decode() for note in notes], pa.string())


def key_table(table: TableSpec, rows: Sequence[Sequence[object]]) -> tuple[pa.Table, list[int]]:
    """The keys of some rows of values without those that do not fit, and the positions of the others."""
    at = {column.name: position for position, column in enumerate(table.columns)}
    columns: dict[str, pa.Array] = {}
    misfits: set[int] = set()
    for column in table.key_columns:
        values = [row[at[column.name]] for row in rows]
        columns[column.name], bad = convert_column(values, column.pg_type, POSTGRES)
        misfits |= bad.keys()
    usable = [position for position in range(len(rows)) if position not in misfits]
    return pa.table(columns).take(pa.array(usable, pa.int64())), usable


def told(envelopes: Envelopes, wrong: Wrong) -> list[BadEvent]:
    """The events that `to_rows` found to be bad."""
    return [
        BadEvent(
            envelopes.partitions[i], envelopes.offsets[i], *why, envelopes.keys[i], i in envelopes.doubted
        )
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
        why = {
            "error": event.error,
            "message": event.message,
            "late": event.late,
            "unknown": event.unknown,
        }
        note = orjson.dumps(why).decode()
        entries.append(
            {"_op": Operation.BAD, "_partition": event.partition, "_offset": event.offset, "_note": note}
        )
    entries.append({"_op": Operation.SEEN, "_note": seen.to_note()})
    return pa.RecordBatch.from_pylist(
        [{**e, "processed_at": now} for e in entries], row_schema(context.table)
    )


def _nulls(
    number: int, values: Sequence[object], envelopes: Envelopes, without_values: frozenset[str]
) -> list[int]:
    ops, missing = envelopes.ops, envelopes.missing
    return [
        i
        for i, (value, op) in enumerate(zip(values, ops, strict=True))
        if value is None and op not in without_values and not (i in missing and number in missing[i].columns)
    ]


def _missing_message(column: ColumnSpec) -> str:
    return (
        f"column {column.name!r}: received NULL, expected {column.type} NOT NULL: the source's column has "
        "become nullable; run `cdc discover` and `cdc apply`, then replay"
    )
