"""Column values as Debezium's JSON has them → Arrow arrays of the declared type; nothing is cut to fit.

Debezium's settings that this reads: `decimal.handling.mode=string`, `time.precision.mode=microseconds`,
`interval.handling.mode=string`, `binary.handling.mode=base64` (Debezium documentation, "Data type mappings").
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from cdc.errors import DataError, SchemaChangedError, TerminalError
from cdc.types import PgType
from cdc.types.sinks import CLICKHOUSE_MAX_PRECISION
from cdc_spark.schemas.arrow import arrow_type, exact_decimal
from cdc_spark.transformations.limits import Limits

Values = Sequence[Any]
_ERRORS = (pa.ArrowException, ValueError, TypeError, OverflowError, AttributeError)
_SPECIAL_FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_UUID = r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"
_NUMERIC = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_NUMERIC_OR_SPECIAL = _NUMERIC[:-1] + r"$|^(?:NaN|-?Infinity)$"
_INTERVAL = r"^-?P(?:[-+]?[0-9.]+[YMWD])*(?:T(?:[-+]?[0-9.]+[HMS])*)?$"
_MICROS_PER_DAY = 86_400_000_000


class OutOfRangeError(ValueError):
    """The value is of the declared type, but the sink cannot hold it."""


def convert_column(
    values: Values, pg: PgType, limits: Limits
) -> tuple[pa.Array, dict[int, tuple[type[TerminalError], str]]]:
    """Convert a column; values that do not fit become NULL and are told by position.

    What is told is `DataError` for a value of the declared type that the sink cannot hold, and
    `SchemaChangedError` for one that the declared type cannot have, with the reason.
    """
    try:
        return convert(values, pg, limits), {}
    except _ERRORS:
        pass
    bad: dict[int, tuple[type[TerminalError], str]] = {}
    for position, value in enumerate(values):
        try:
            convert([value], pg, limits)
        except _ERRORS as error:
            kind = DataError if isinstance(error, OutOfRangeError) else SchemaChangedError
            bad[position] = kind, f"received {value!r:.120}, expected {pg}: {_reason(error)}"
    return convert([None if i in bad else value for i, value in enumerate(values)], pg, limits), bad


def convert(values: Values, pg: PgType, limits: Limits) -> pa.Array:
    """Convert a column as a whole.

    Raises:
        ValueError, TypeError: some value does not fit (Arrow's own errors are subclasses of these).
    """
    if pg.dimensions:
        return _arrays(values, pg, limits)
    return _CONVERTERS.get(pg.base, _text)(values, pg, limits)


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _boolean(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001 one signature for all
    return pa.array(values, pa.bool_())


def _integer(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    return _whole_numbers(values).cast(arrow_type(pg))


def _whole_numbers(values: Values) -> pa.Array:
    # Asked for integers, Arrow would cut 1.5 to 1; so it infers the type first.
    array = pa.array(values)
    if not (pa.types.is_integer(array.type) or pa.types.is_null(array.type)):
        raise ValueError("the value is no whole number")
    return array


def _float(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    try:
        array = pa.array(values)
    except _ERRORS:
        array = pa.nulls(0, pa.string())
    if not (pa.types.is_float64(array.type) or pa.types.is_null(array.type)):
        array = pa.array([_number(value) for value in values], pa.float64())
    array = array.cast(arrow_type(pg), safe=False)
    endless = pc.sum(pc.is_inf(array)).as_py() or 0
    if endless > sum(isinstance(value, str) and value.endswith("Infinity") for value in values):
        raise ValueError("the number is too large")
    return array


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        raise TypeError("a boolean is no number")
    if isinstance(value, str):
        if value not in _SPECIAL_FLOATS:
            raise ValueError("a text is no number")
        return _SPECIAL_FLOATS[value]
    return None if value is None else float(value)


def _numeric(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    text = _matching(values, _NUMERIC_OR_SPECIAL, "the text is no number")
    decimal = exact_decimal(pg)
    if pg.args and any(value in _SPECIAL_FLOATS for value in values):
        raise OutOfRangeError("the sinks' decimals hold finite numbers only")
    if decimal is not None:
        return text.cast(pa.decimal128(*decimal))
    wide = exact_decimal(pg, CLICKHOUSE_MAX_PRECISION)
    if wide is not None:
        text.cast(pa.decimal256(*wide))  # travels as text, but must fit
    return text


def _text(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    array = pa.array(values, pa.string())
    if pc.any(pc.match_substring(array, "\0")).as_py():
        raise ValueError("the text holds a NUL character, which PostgreSQL never sends")
    if pg.args and (pc.max(pc.utf8_length(array)).as_py() or 0) > pg.args[0]:
        raise ValueError(f"the text is longer than {pg.args[0]} characters")
    return array


def _matching(values: Values, pattern: str, complaint: str) -> pa.Array:
    array = pa.array(values, pa.string())
    if pc.all(pc.match_substring_regex(array, pattern)).as_py() is False:
        raise ValueError(complaint)
    return array


def _uuid(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    return pc.utf8_lower(_matching(values, _UUID, "the text is no UUID"))


def _interval(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    return _matching(values, _INTERVAL, "the text is no ISO 8601 interval")


def _json(values: Values, pg: PgType, limits: Limits) -> pa.Array:
    array = _text(values, pg, limits)
    for value in values:
        if value is not None:
            _check_json(value)
    return array


def _check_json(value: str) -> None:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        # PostgreSQL's json also holds numbers beyond a double and lone surrogates, which orjson refuses.
        json.loads(value, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _bytea(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    try:
        decoded = [None if v is None else base64.b64decode(v, validate=True) for v in values]
    except binascii.Error as error:
        raise ValueError(f"the text is not base64: {error}") from None
    return pa.array(decoded, pa.binary())


def _date(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    days = _whole_numbers(values).cast(pa.int32())
    _check_range(days, limits.days, limits)
    return days.view(pa.date32())


def _timestamp(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    micros = _whole_numbers(values).cast(pa.int64())
    _check_range(micros, limits.micros, limits)
    return micros.view(pa.timestamp("us"))


def _timestamptz(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    moments = pa.array(values, pa.string()).cast(pa.timestamp("us", tz="UTC"))
    _check_range(moments.view(pa.int64()), limits.micros, limits)
    return moments


def _check_range(numbers: pa.Array, ends: tuple[int, int], limits: Limits) -> None:
    extremes = pc.min_max(numbers).as_py()
    if extremes["min"] is not None and not (ends[0] <= extremes["min"] and extremes["max"] <= ends[1]):
        raise OutOfRangeError(f"the sink holds {limits.first_day} to {limits.last_day}")


def _time(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    return pa.array([None if value is None else time_text(value) for value in values], pa.string())


def time_text(micros: int) -> str:
    """A time of day in PostgreSQL's own text form, which has no trailing zeros.

    Raises:
        ValueError: not between 00:00:00 and 24:00:00.
    """
    if type(micros) is not int or not 0 <= micros <= _MICROS_PER_DAY:
        raise ValueError("the number is no time of day in microseconds")
    seconds, fraction = divmod(micros, 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}".rstrip("0") if fraction else text


def _arrays(values: Values, pg: PgType, limits: Limits) -> pa.Array:
    flat: list[Any] = []
    offsets: list[int | None] = []
    for value in values:
        offsets.append(None if value is None else len(flat))
        if value is not None:
            if not isinstance(value, list):
                raise TypeError("expected a JSON array")
            flat.extend(value)
    offsets.append(len(flat))
    elements = convert(flat, pg.element, limits)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), elements)


_CONVERTERS: dict[str, Callable[[Values, PgType, Limits], pa.Array]] = {
    "smallint": _integer,
    "integer": _integer,
    "bigint": _integer,
    "boolean": _boolean,
    "real": _float,
    "double precision": _float,
    "numeric": _numeric,
    "uuid": _uuid,
    "json": _json,
    "jsonb": _json,
    "bytea": _bytea,
    "date": _date,
    "timestamp with time zone": _timestamptz,
    "timestamp without time zone": _timestamp,
    "time without time zone": _time,
    "interval": _interval,
}
