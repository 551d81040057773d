"""Values of which Debezium's events say the same as of others: the source is asked which it was.

What the events say was recorded (`tests/postgres_types`). A few values become others on the way: the dates of
a snapshot lose their era, an infinite interval becomes an empty one. An event whose value may be one of them
is *doubted*; the source is asked, for all such rows of a stretch at once, whether it has such a value. Where
it has, the row is read there as if the event did not say the value; where it has not, the event is true, or
another one of the row is on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from psycopg.sql import SQL

from cdc.errors import DataError, SchemaChangedError
from cdc.spec import ColumnSpec, TableSpec
from cdc.types import PgType
from cdc_spark.transformations.cdc_transformer import TableContext, Wrong, key_table
from cdc_spark.transformations.envelopes import Envelopes, Missing
from cdc_spark.transformations.keys import comparable
from cdc_spark.transformations.limits import INFINITE_MICROS, POSTGRES, Limits
from cdc_spark.transformations.moments import days_of
from cdc_spark.transformations.read_back import PostgresArray

_BEFORE_CHRIST = days_of(1, 1, 1), days_of(4714, 12, 31)
"""The days that a date of 4714 BC to 1 BC can become; those of the calendar of 1582 are among them."""
_NOT_GREGORIAN = SQL("{0} < '1582-10-15' AND isfinite({0})")
_BEYOND = SQL("{0} > '294247-01-10' AND isfinite({0})")
_INFINITE = SQL("NOT isfinite({0})")
_CLOSED = SQL(r"{0}::text ~ '^\((\([^()]*\)),(.*,)?\1\)$'")
"""A polygon whose last point repeats its first, which Debezium's ring does not tell from one without it."""
_DEEP = SQL("array_ndims({0}) > 1")
_UNTRUE_MOMENTS = SQL(
    "array_ndims({0}) > 1 OR EXISTS (SELECT FROM unnest({0}) AS e WHERE isfinite(e) "
    "AND (e < '1582-10-15' OR e > '294247-01-10'))"
)
_UNTRUE_DAYS = SQL(
    "array_ndims({0}) > 1 OR EXISTS (SELECT FROM unnest({0}) AS e WHERE isfinite(e) AND e < '1582-10-15')"
)
_ZERO_INTERVAL = "P0Y0M0DT0H0M0S"


@dataclass(frozen=True)
class Doubt:
    """Which values of a column are doubted.

    Attributes:
        may_be: the value that an event says may be another one.
        untrue: the condition of PostgreSQL, of column `{0}`, under which it is another one.
        snapshot: only rows of a snapshot are concerned.
    """

    may_be: Callable[[Any], bool]
    untrue: SQL
    snapshot: bool = False


def doubts_of(table: TableSpec, limits: Limits) -> dict[int, Doubt]:
    """The doubts about a table's columns, by their positions."""
    found = ((at, _doubt(column, limits)) for at, column in enumerate(table.columns))
    return {at: doubt for at, doubt in found if doubt is not None}


def settle(
    envelopes: Envelopes, context: TableContext, doubts: Mapping[int, Doubt], *, ask: bool = True
) -> None:
    """Turn doubted values that are untrue into values that the events do not say.

    Args:
        envelopes: the events, which are changed.
        context: the table's.
        doubts: those of `doubts_of`.
        ask: the source is asked; otherwise every doubted value is taken as untrue.
    """
    suspects = _suspects(envelopes, doubts)
    if not suspects:
        return
    envelopes.doubted |= suspects.keys()
    untrue = _untrue(envelopes, context, doubts, suspects) if ask else suspects.keys()
    for event, columns in suspects.items():
        row = list(envelopes.values[event])
        for at in columns:
            if event in untrue:
                row[at] = None
            elif isinstance(row[at], list):
                row[at] = PostgresArray(row[at])
        envelopes.values[event] = tuple(row)
        if event in untrue:
            known = envelopes.missing.get(event)
            every = {*columns, *(known.columns if known is not None else ())}
            record = known.record if known is not None else envelopes.records[event]
            envelopes.missing[event] = Missing(record, tuple(sorted(every)), unsent=True)


def undecided(envelopes: Envelopes, doubts: Mapping[int, Doubt]) -> Wrong:
    """The events of a changelog that cannot be written: nobody can be asked, as its rows have no key.

    Rows of its snapshot were read at the source in PostgreSQL's own text and are never doubted.
    """
    wrong: Wrong = {}
    for at, doubt in doubts.items():
        if doubt.snapshot:
            continue
        for event, row in enumerate(envelopes.values):
            if envelopes.ops[event] != "r" and doubt.may_be(row[at]):
                reason = (
                    f"received {row[at]!r:.60}, by which Debezium means more than one value; a table with "
                    "mode: changelog has no key to ask the source by. Give it a primary key, or leave the "
                    "column out"
                )
                wrong.setdefault(event, (DataError.__name__, reason))
    return wrong


def _suspects(envelopes: Envelopes, doubts: Mapping[int, Doubt]) -> dict[int, list[int]]:
    """The columns that are doubted, by the event."""
    suspects: dict[int, list[int]] = {}
    ops = envelopes.ops
    for at, doubt in doubts.items():
        if doubt.snapshot and "r" not in ops:
            continue
        may_be, snapshot = doubt.may_be, doubt.snapshot
        for event, row in enumerate(envelopes.values):
            if may_be(row[at]) and (ops[event] == "r" if snapshot else ops[event] != "d"):
                suspects.setdefault(event, []).append(at)
    return suspects


def _untrue(
    envelopes: Envelopes,
    context: TableContext,
    doubts: Mapping[int, Doubt],
    suspects: Mapping[int, list[int]],
) -> set[int]:
    """The events whose rows have another value at the source."""
    events = list(suspects)
    rows, usable = key_table(context.table, [envelopes.values[event] for event in events])
    names = [column.name for column in context.table.key_columns]
    own = list(zip(*(comparable(rows[name]) for name in names), strict=True))
    once = {identity: at for at, identity in enumerate(own)}
    conditions = {
        context.table.columns[at].name: doubts[at].untrue for columns in suspects.values() for at in columns
    }
    try:
        found = context.lookups.untrue(rows.take(pa.array(once.values(), pa.int64())), conditions)
    except SchemaChangedError:
        # Reading the rows will say the same, of each event.
        return set(events)
    identities = set(zip(*(comparable(found[name]) for name in names), strict=True))
    return {events[at] for at, identity in zip(usable, own, strict=True) if identity in identities}


def _doubt(column: ColumnSpec, limits: Limits) -> Doubt | None:
    pg = column.pg_type
    if column.from_source:
        return None
    if pg.dimensions:
        return _array_doubt(pg)
    if pg.base == "date":
        return Doubt(_is_old_day, _NOT_GREGORIAN, snapshot=True)
    if pg.base == "interval":
        return Doubt(_is_zero_interval, _INFINITE)
    if pg.base == "polygon":
        return Doubt(_is_given, _CLOSED)
    if _holds_far_moments(pg, limits):
        return Doubt(_is_far_moment, _BEYOND)
    return None


def _array_doubt(pg: PgType) -> Doubt:
    # Whatever the way, the elements of an array of moments are read as a snapshot's dates are.
    if pg.base == "date":
        return Doubt(bool, _UNTRUE_DAYS)
    if pg.base.startswith("timestamp"):
        return Doubt(bool, _UNTRUE_MOMENTS)
    return Doubt(_may_be_deep, _DEEP)


def _holds_far_moments(pg: PgType, limits: Limits) -> bool:
    return pg.base == "timestamp without time zone" and (limits.infinite or pg.as_text)


def _may_be_deep(value: Any) -> bool:
    """Debezium sends an array of more than one dimension as NULLs, or as what Java calls its inner arrays."""
    if not value or not isinstance(value, list):
        return False
    first = value[0]
    return first is None or (isinstance(first, str) and first[:1] == "[")


def _is_zero_interval(value: Any) -> bool:
    return bool(value == _ZERO_INTERVAL)


def _is_given(value: Any) -> bool:
    return value is not None


def _is_old_day(value: Any) -> bool:
    return type(value) is int and _BEFORE_CHRIST[0] <= value <= _BEFORE_CHRIST[1]


def _is_far_moment(value: Any) -> bool:
    if type(value) is not int or POSTGRES.micros[0] <= value < INFINITE_MICROS[1]:
        return False
    return value != INFINITE_MICROS[0]
