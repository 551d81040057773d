"""Values in PostgreSQL's own text form → the values that Debezium's JSON has for them. Pure.

Rows that are read back from a PostgreSQL go the way of events from here on, so that a value is the same
whichever way it came. The session must have `SETTINGS`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg.adapt import Transformer
from psycopg.pq import Format

from cdc.types import PgType

SETTINGS = {
    "DateStyle": "ISO",
    "IntervalStyle": "iso_8601",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}
_TEXT_ARRAY = 1009
_SPECIAL = frozenset({"NaN", "Infinity", "-Infinity"})
_EPOCH = date(1970, 1, 1)
_INTERVAL = re.compile(r"(-?[0-9.]+)([YMWDHS])")


def debezium_value(raw: bytes | None, pg: PgType) -> Any:
    """Convert one value; what has no form in Debezium's JSON stays text, which the type then refuses."""
    if raw is None:
        return None
    if pg.dimensions:
        loader = Transformer().get_loader(_TEXT_ARRAY, Format.TEXT)
        return _elements(loader.load(raw), _SCALARS.get(pg.base, _as_is))
    return _SCALARS.get(pg.base, _as_is)(raw.decode())


def _elements(value: Any, scalar: Callable[[str], Any]) -> Any:
    if isinstance(value, list):
        return [_elements(item, scalar) for item in value]
    return None if value is None else scalar(value)


def _as_is(text: str) -> str:
    return text


def _float(text: str) -> float | str:
    return text if text in _SPECIAL else float(text)


def _boolean(text: str) -> bool:
    return text == "t"


def _bytea(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text.removeprefix("\\x"))).decode()


def _date(text: str) -> int | str:
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        return text  # before Christ, after 9999, infinity


def _timestamp(text: str) -> int | str:
    try:
        since = datetime.fromisoformat(text) - datetime(1970, 1, 1)  # noqa: DTZ001 it has no zone
    except ValueError:
        return text
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _timestamptz(text: str) -> str:
    return text.replace(" ", "T").removesuffix("+00") + "Z"


def _time(text: str) -> int:
    hours, minutes, seconds = text.split(":")
    return int((int(hours) * 3600 + int(minutes) * 60 + Decimal(seconds)) * 1_000_000)


def _interval(text: str) -> str:
    """`P1DT2H` → `P0Y0M1DT2H0M0S`, the pattern of `interval.handling.mode=string`."""
    days, _, clock = text.removeprefix("P").partition("T")
    day = {unit: number for number, unit in _INTERVAL.findall(days)}
    time = {unit: number for number, unit in _INTERVAL.findall(clock)}
    first = "".join(f"{day.get(unit, '0')}{unit}" for unit in "YMD")
    return f"P{first}T" + "".join(f"{time.get(unit, '0')}{unit}" for unit in "HMS")


_SCALARS: dict[str, Callable[[str], Any]] = {
    "smallint": int,
    "integer": int,
    "bigint": int,
    "boolean": _boolean,
    "real": _float,
    "double precision": _float,
    "bytea": _bytea,
    "date": _date,
    "timestamp with time zone": _timestamptz,
    "timestamp without time zone": _timestamp,
    "time without time zone": _time,
    "interval": _interval,
}
