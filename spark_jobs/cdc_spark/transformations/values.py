"""Column values as Debezium's JSON has them → Arrow arrays of the declared type; nothing is cut to fit.

Debezium's settings that this reads: `decimal.handling.mode=string`, `time.precision.mode=microseconds`,
`interval.handling.mode=string`, `binary.handling.mode=bytes` (base64 in JSON; Debezium documentation, "Data
type mappings").
What it sends for every type and edge value was recorded: `tests/postgres_types/debezium_events.jsonl`.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from cdc.errors import DataError, SchemaChangedError, TerminalError
from cdc.types import PgType
from cdc.types.sinks import clickhouse_decimal
from cdc.types.spark import spark_decimal
from cdc_spark.schemas.arrow import arrow_type
from cdc_spark.transformations import moments
from cdc_spark.transformations.beyond import beyond_text
from cdc_spark.transformations.digits import check_digits, check_real, keeps_digits
from cdc_spark.transformations.encodings import bit_text, hstore_texts
from cdc_spark.transformations.limits import POSTGRES, Limits
from cdc_spark.transformations.moments import OutOfRangeError
from cdc_spark.transformations.postgres_text import BOX_SEPARATOR, texts
from cdc_spark.transformations.read_back import PostgresArray
from cdc_spark.transformations.shapes import PostgresText, shape_text

Values = Sequence[Any]
_ERRORS = (pa.ArrowException, ValueError, TypeError, OverflowError, AttributeError)
_SPECIAL_FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_UUID = r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"
_NUMERIC = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_NO_FRACTION = r"\.0*$"
_SPECIAL_NUMERICS = {"NAN": "NaN", "POSITIVE_INFINITY": "Infinity", "NEGATIVE_INFINITY": "-Infinity"}
"""Debezium's names of what is no finite number, and PostgreSQL's."""
_INTERVAL = r"^(?:-?P(?:[-+]?[0-9.]+[YMWD])*(?:T(?:[-+]?[0-9.]+[HMS])*)?|-?infinity)$"
_TEXT_ELEMENTS = frozenset({"text", "json"})
_JAVA_ARRAY = r"^\[+L?[A-Za-z.]*;?@[0-9a-f]+$"
"""What Debezium makes of an inner array of texts."""


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
    if pg.own_text:
        text = _text(values, replace(pg, args=()), limits)
        return text if pg.as_text else check_digits(text, pg)
    if pg.as_text:
        return _as_text(values, pg)
    if pg.dimensions:
        return _arrays(values, pg, limits)
    return check_digits(_CONVERTERS[pg.kind.form](values, pg, limits), pg)


def _as_text(values: Values, pg: PgType) -> pa.Array:
    # A text holds any number of digits; those that were declared are the source's to keep.
    typed = replace(pg, as_text=False, args=() if keeps_digits(pg) else pg.args)
    known = {at: text for at, value in enumerate(values) if (text := _known_text(value, typed)) is not None}
    if known:
        rest = _as_text([None if at in known else value for at, value in enumerate(values)], pg).to_pylist()
        return pa.array([known.get(at, text) for at, text in enumerate(rest)], pa.string())
    array = convert(values, typed, POSTGRES)
    if pg.base == "character" and not pg.dimensions:
        array = pc.utf8_rtrim(array, " ")
    elif pg.base == "numeric" and not pg.dimensions and len(pg.args) > 1 and pg.args[1] < 0:
        array = pc.replace_substring_regex(array, _NO_FRACTION, "")
    if typed.base == "hstore":
        array = hstore_texts(array)
    return pa.array(texts(array, BOX_SEPARATOR) if typed.base == "box" else texts(array), pa.string())


def _known_text(value: Any, pg: PgType) -> str | None:
    """PostgreSQL's own text of a value that was read there or that no other type holds."""
    return value.text or None if isinstance(value, PostgresArray) else beyond_text(value, pg)


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
    received, array = array, array.cast(arrow_type(pg), safe=False)
    endless = pc.sum(pc.is_inf(array)).as_py() or 0
    if endless > sum(isinstance(value, str) and value.endswith("Infinity") for value in values):
        raise ValueError("the number is too large")
    if pg.base == "real":
        check_real(received.cast(pa.float64()), array)
    return array


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        raise TypeError("a boolean is no number")
    if isinstance(value, str):
        if value not in _SPECIAL_FLOATS:
            raise ValueError("a text is no number")
        return _SPECIAL_FLOATS[value]
    return None if value is None else float(value)


def _numeric(values: Values, pg: PgType, limits: Limits) -> pa.Array:
    if any(value in _SPECIAL_NUMERICS for value in values):
        if clickhouse_decimal(pg) is not None:
            raise OutOfRangeError("the sink's decimals hold finite numbers only; or declare `as: text`")
        numbers = _numeric([None if value in _SPECIAL_NUMERICS else value for value in values], pg, limits)
        special = pa.array([_SPECIAL_NUMERICS.get(value) for value in values], pa.string())
        return pc.coalesce(special, numbers)
    text = _matching(values, _NUMERIC, "the text is no number")
    if len(pg.args) > 1 and pg.args[1] < 0:
        # Debezium writes a fraction of a thousand zeros for a scale below zero.
        text = pc.replace_substring_regex(text, _NO_FRACTION, "")
    decimal = spark_decimal(pg)
    if decimal is not None:
        return text.cast(pa.decimal128(*decimal))
    wide = clickhouse_decimal(pg)
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
        # PostgreSQL's json also holds numbers beyond a double and lone surrogates, which orjson refuses, and
        # numbers of more digits and levels of more depth than Python likes, which are nothing to refuse.
        with contextlib.suppress(RecursionError):
            json.loads(value, parse_constant=_refuse_constant, parse_int=str, parse_float=str)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _bytea(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    return pa.array(_decoded(values), pa.binary())


def _decoded(values: Values) -> list[bytes | None]:
    try:
        return [None if v is None else base64.b64decode(v, validate=True) for v in values]
    except binascii.Error as error:
        raise ValueError(f"the text is not base64: {error}") from None


def _encoded(values: Values, pg: PgType, limits: Limits) -> pa.Array:
    """PostgreSQL's own text in base64, which Debezium sends for types that it does not know."""
    return _text([None if v is None else v.decode() for v in _decoded(values)], pg, limits)


def _encoded_integer(values: Values, pg: PgType, limits: Limits) -> pa.Array:
    return _matching(_encoded(values, pg, limits).to_pylist(), r"^[0-9]+$", "the text is no number").cast(
        arrow_type(pg)
    )


def _bits(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    return pa.array([None if v is None else bit_text(v, pg.args[0]) for v in values], pa.string())


def _hstore(values: Values, pg: PgType, limits: Limits) -> pa.Array:
    array = _text(values, pg, limits)
    for value in values:
        if value is not None and not isinstance(orjson.loads(value), dict):
            raise ValueError("expected a JSON object for hstore")
    return array


def _shape(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    return pa.array([None if v is None else shape_text(v, pg.base) for v in values], pa.string())


def _date(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    return moments.dates(_whole_numbers(values), limits)


def _timestamp(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    try:
        return moments.timestamps(_whole_numbers(values), limits)
    except _ERRORS:
        if any(isinstance(value, PostgresText) for value in values):
            raise OutOfRangeError(f"the sink holds {limits.words}") from None
        raise


def _timestamptz(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    return moments.zoned_timestamps(values, limits)


def _time(values: Values, pg: PgType, limits: Limits) -> pa.Array:  # noqa: ARG001
    return pa.array([None if value is None else moments.time_text(value) for value in values], pa.string())


def _arrays(values: Values, pg: PgType, limits: Limits) -> pa.Array:
    flat: list[Any] = []
    offsets: list[int | None] = []
    for value in values:
        offsets.append(None if value is None else len(flat))
        if value is not None:
            if not isinstance(value, list):
                raise TypeError("expected a JSON array")
            if isinstance(value, PostgresArray) and value.beyond:
                raise OutOfRangeError(value.beyond)
            flat.extend(value)
    offsets.append(len(flat))
    elements = convert(flat, pg.element, limits)
    if elements.null_count and pg.kind.form not in _TEXT_ELEMENTS:
        _refuse_hidden_dimensions(values)
    elif pg.kind.form in _TEXT_ELEMENTS and pc.any(pc.match_substring_regex(elements, _JAVA_ARRAY)).as_py():
        raise OutOfRangeError("Debezium sends no values for an array of more than one dimension")
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), elements)


def _refuse_hidden_dimensions(values: Values) -> None:
    if any(
        value and not isinstance(value, PostgresArray) and all(element is None for element in value)
        for value in values
    ):
        raise OutOfRangeError(
            "Debezium sends an array of more than one dimension as one of NULLs, so an array of nothing but "
            "NULLs may be either"
        )


_CONVERTERS: dict[str, Callable[[Values, PgType, Limits], pa.Array]] = {
    "integer": _integer,
    "boolean": _boolean,
    "float": _float,
    "numeric": _numeric,
    "text": _text,
    "uuid": _uuid,
    "json": _json,
    "bytes": _bytea,
    "bits": _bits,
    "encoded": _encoded,
    "encoded_integer": _encoded_integer,
    "date": _date,
    "timestamptz": _timestamptz,
    "timestamp": _timestamp,
    "time": _time,
    "interval": _interval,
    "hstore": _hstore,
    **dict.fromkeys(("point", "line", "lseg", "box", "path", "polygon", "circle"), _shape),
}
