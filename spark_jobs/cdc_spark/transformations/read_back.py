"""Values in PostgreSQL's own text form → the values that Debezium's JSON has for them. Pure.

Rows that are read back from a PostgreSQL go the way of events from here on, so that a value is the same
whichever way it came. The session must have `cdc.types.text.SESSION_SETTINGS`. `postgres_text` is the
opposite way.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
from psycopg.adapt import Transformer
from psycopg.pq import Format

from cdc.types import PgType
from cdc_spark.transformations.limits import INFINITE_MICROS, MICROS_PER_DAY
from cdc_spark.transformations.moments import INFINITE_DATE, days_of
from cdc_spark.transformations.shapes import PostgresText

_TEXT_ARRAY, _BOX_ARRAY = 1009, 1020
"""PostgreSQL's numbers of the two kinds of arrays: only that of boxes has another separator."""
_SPECIAL_FLOATS = frozenset({"NaN", "Infinity", "-Infinity"})
_SPECIAL_NUMERICS = {"NaN": "NAN", "Infinity": "POSITIVE_INFINITY", "-Infinity": "NEGATIVE_INFINITY"}
_INTERVAL = re.compile(r"(-?[0-9.]+)([YMWDHS])")
_DAY = re.compile(r"^(\d+)-(\d\d)-(\d\d)(?: ([0-9:.]+)(?:\+00)?)?( BC)?$")
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_PAIR = re.compile(rf"{_QUOTED}=>(?:NULL|{_QUOTED})", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class PostgresArray(list[Any]):
    """An array as PostgreSQL has it, so that its NULLs are NULLs and not what Debezium makes of others.

    Attributes:
        text: PostgreSQL's own text of it, empty when it came in an event.
        beyond: why a list does not say all of it; empty when it does.
    """

    text = ""
    beyond = ""


def debezium_value(raw: bytes | None, pg: PgType) -> Any:
    """Convert one value; what has no form in Debezium's JSON stays text, which the type then refuses."""
    if raw is None:
        return None
    if pg.own_text:
        return raw.decode()
    if pg.dimensions:
        return _array(raw, pg)
    return _scalar(raw.decode(), pg)


def _array(raw: bytes, pg: PgType) -> PostgresArray:
    loader = Transformer().get_loader(_BOX_ARRAY if pg.base == "box" else _TEXT_ARRAY, Format.TEXT)
    loaded = loader.load(raw)
    deep = any(isinstance(item, list) for item in loaded)
    element = pg.element
    array = PostgresArray(
        [] if deep else [None if item is None else _scalar(item, element) for item in loaded]
    )
    array.text = raw.decode()
    if deep or raw.startswith(b"["):
        what = "more than one dimension" if deep else "a first index that is not 1"
        array.beyond = f"an array with {what} is kept whole by a column that is declared {pg}[]"
    return array


def _scalar(text: str, pg: PgType) -> Any:
    if pg.base == "money":
        return text.replace("$", "").replace(",", "")
    if pg.kind.form == "bits" and pg.args[0] == 1:
        return text == "1"
    return _SCALARS.get(pg.kind.form, _as_is)(text)


def _as_is(text: str) -> str:
    return text


def _float(text: str) -> float | str:
    return text if text in _SPECIAL_FLOATS else float(text)


def _numeric(text: str) -> str:
    return _SPECIAL_NUMERICS.get(text, text)


def _boolean(text: str) -> bool:
    return text == "t"


def _bytea(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text.removeprefix("\\x"))).decode()


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _bits(text: str) -> str:
    return base64.b64encode(int(text, 2).to_bytes((len(text) + 7) // 8, "little")).decode()


def _date(text: str) -> int | str:
    if text in INFINITE_DATE:
        return INFINITE_DATE[text]
    match = _DAY.match(text)
    return text if match is None else days_of(_year(match), int(match[2]), int(match[3]))


def _year(match: re.Match[str]) -> int:
    return 1 - int(match[1]) if match[5] else int(match[1])


def _timestamp(text: str) -> int | str:
    if text in ("infinity", "-infinity"):
        return INFINITE_MICROS[text == "infinity"]
    match = _DAY.match(text)
    if match is None or match[4] is None:
        return text
    micros = days_of(_year(match), int(match[2]), int(match[3])) * MICROS_PER_DAY + _time(match[4])
    # Where 64 bits end, an event says infinity.
    return micros if micros < INFINITE_MICROS[1] else PostgresText(text)


def _timestamptz(text: str) -> str:
    match = _DAY.match(text)
    if match is None:
        return text
    year = _year(match)
    return f"{'-' if year < 0 else ''}{abs(year):04}-{match[2]}-{match[3]}T{match[4]}Z"


def _time(text: str) -> int:
    hours, minutes, seconds = text.split(":")
    return int((int(hours) * 3600 + int(minutes) * 60 + Decimal(seconds)) * 1_000_000)


def _interval(text: str) -> str:
    """`P1DT2H` → `P0Y0M1DT2H0M0S`, the pattern of `interval.handling.mode=string`, which has no infinity."""
    if not text.startswith("P"):
        return text
    days, _, clock = text.removeprefix("P").partition("T")
    day = {unit: number for number, unit in _INTERVAL.findall(days)}
    time = {unit: number for number, unit in _INTERVAL.findall(clock)}
    first = "".join(f"{day.get(unit, '0')}{unit}" for unit in "YMD")
    return f"P{first}T" + "".join(f"{time.get(unit, '0')}{unit}" for unit in "HMS")


def _hstore(text: str) -> str:
    pairs = {
        _ESCAPED.sub(r"\1", found[1]): None if found[2] is None else _ESCAPED.sub(r"\1", found[2])
        for found in _PAIR.finditer(text)
    }
    return orjson.dumps(pairs).decode()


_SCALARS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "boolean": _boolean,
    "float": _float,
    "numeric": _numeric,
    "bytes": _bytea,
    "bits": _bits,
    "encoded": _encoded,
    "encoded_integer": _encoded,
    "date": _date,
    "timestamptz": _timestamptz,
    "timestamp": _timestamp,
    "time": _time,
    "interval": _interval,
    "hstore": _hstore,
    **dict.fromkeys(("point", "line", "lseg", "box", "path", "polygon", "circle"), PostgresText),
}
