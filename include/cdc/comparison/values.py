"""When a value at the source and its copy in a sink are the same value.

Each side returns a value in its own shape: PostgreSQL a Decimal, ClickHouse a text. A canonicalizer brings
both to one shape that `==` decides. What PostgreSQL itself holds to be equal is equal here (1.0 and 1.00,
padding of char(n), key order in jsonb); NULL, the empty array and the empty text are three different values.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from cdc.errors import DataError
from cdc.types import PgType

Canonicalizer = Callable[[Any], Any]

_INTERVAL = re.compile(
    r"^P(?:(?P<years>-?\d+)Y)?(?:(?P<months>-?\d+)M)?(?:(?P<weeks>-?\d+)W)?(?:(?P<days>-?\d+)D)?"
    r"(?:T(?:(?P<hours>-?\d+)H)?(?:(?P<minutes>-?\d+)M)?(?:(?P<seconds>-?\d+(?:\.\d+)?)S)?)?$"
)

_PAIR = re.compile(r'("(?:[^"\\]|\\.)*")=>("(?:[^"\\]|\\.)*"|NULL)', re.DOTALL)
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d+)?(?:e[+-]\d+)?|Infinity|NaN)")


def canonicalizer(pg: PgType) -> Canonicalizer | None:
    """The function for values (other than NULL) of a column of this type, or None when they need none."""
    rule = pg.kind.compare
    if pg.in_text:
        # Text on both sides: that of a boolean or of bytes is the same already.
        return None if pg.dimensions or rule in ("boolean", "bytes") else _RULES.get(rule)
    if pg.dimensions:
        element = _RULES.get(rule)
        return lambda text: _array(json.loads(text, parse_float=Decimal, parse_int=Decimal), element)
    return _RULES.get(rule)


def integer(value: Any) -> int:
    """An integer; a text when it comes out of an array's JSON."""
    return int(value)


def double(value: Any) -> float | str:
    """A double; NaN equals NaN, and the zeros are one."""
    number = float(value)
    return "NaN" if math.isnan(number) else number + 0.0


def real(value: Any) -> float | str:
    """A four-byte float: one side prints it shortest, the other widens it to eight bytes."""
    number = float(value)
    if number in (float("inf"), float("-inf")):
        return number
    return double(struct.unpack("f", struct.pack("f", number))[0])


def numeric(value: Any) -> Decimal | str:
    """A number without regard to trailing zeros; NaN equals NaN."""
    number = Decimal(value) if isinstance(value, str | Decimal | int) else Decimal(repr(value))
    return "NaN" if number.is_nan() else number


def character(value: str) -> str:
    """char(n): its padding means nothing."""
    return value.rstrip(" ")


def moment(value: str) -> str:
    """A date with time, or a time, as text in UTC: no zone, no trailing zeros of the fraction."""
    text = re.sub(r"(?:Z|[+]00(?::00)?)(?=$| BC$)", "", value.replace("T", " "))
    return text.rstrip("0").rstrip(".") if "." in text else text


def jsonb(value: str) -> str:
    """jsonb: one order of keys, numbers by their value, while `true` stays apart from `1`."""
    try:
        parsed = json.loads(value, parse_float=Decimal, parse_int=Decimal)
        return json.dumps(parsed, sort_keys=True, ensure_ascii=False, default=_number)
    except RecursionError:
        # Deeper than Python goes; every side has the text that PostgreSQL prints.
        return value


def interval(value: str) -> tuple[int, int, Decimal] | str:
    """An ISO 8601 interval as (months, days, seconds), which PostgreSQL keeps apart; or an infinite one."""
    if value in ("infinity", "-infinity"):
        return value
    match = _INTERVAL.match(value)
    if match is None:
        raise DataError(f"{value!r} is no ISO 8601 interval such as P1Y2M3DT4H5M6S, which Debezium sends")
    part = {name: Decimal(text) if text else Decimal(0) for name, text in match.groupdict().items()}
    seconds = part["hours"] * 3600 + part["minutes"] * 60 + part["seconds"]
    return int(part["years"] * 12 + part["months"]), int(part["weeks"] * 7 + part["days"]), seconds


def address(value: str) -> str:
    """inet: a host with or without its full prefix length."""
    return value.removesuffix("/128") if ":" in value else value.removesuffix("/32")


def hstore(value: str) -> tuple[tuple[str, str | None], ...]:
    """hstore: its pairs, from PostgreSQL's text or from JSON."""
    if value.startswith("{"):
        return tuple(sorted(json.loads(value).items()))
    found = [(_unquoted(k), None if v == "NULL" else _unquoted(v)) for k, v in _PAIR.findall(value)]
    return tuple(sorted(found))


def shape(value: str) -> tuple[str, tuple[float | str, ...]]:
    """A geometric value: its brackets, and its numbers by value."""
    return _NUMBER.sub("#", value), tuple(double(number) for number in _NUMBER.findall(value))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def _array(value: Any, element: Canonicalizer | None) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return tuple(_array(item, element) for item in value)
    return value if element is None else element(value)


def _number(value: object) -> dict[str, str]:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} does not come out of JSON")
    # Arithmetic of the usual context would round to 28 digits, and call different numbers equal.
    sign, digits, exponent = value.as_tuple()
    if not any(digits):
        return {"number": "0"}
    text = "".join(map(str, digits))
    shorter = text.rstrip("0")
    return {
        "number": f"{'-' if sign else ''}{shorter.lstrip('0')}E{int(exponent) + len(text) - len(shorter)}"
    }


_RULES: dict[str, Canonicalizer] = {
    "integer": integer,
    "real": real,
    "double": double,
    "numeric": numeric,
    "money": numeric,
    "boolean": bool,
    "character": character,
    "jsonb": jsonb,
    "moment": moment,
    "interval": interval,
    "address": address,
    "hstore": hstore,
    "shape": shape,
}
