"""Values as they travel → PostgreSQL's own text form, which COPY reads and a column `as: text` holds."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from cdc_spark.transformations.limits import INFINITE_DAYS, INFINITE_MICROS, MICROS_PER_DAY
from cdc_spark.transformations.moments import day_text, time_text
from cdc_spark.transformations.shapes import float_text

BOX_SEPARATOR = ";"
"""Of the arrays of boxes, whose elements have commas; all others have a comma."""
_PLAIN_ELEMENT = re.compile(r'[^\s{}",\\]+')
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""0001-01-01 and 9999-12-31: pa.ChunkedArray writes the days between them."""


def for_copy(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """What Arrow's CSV writer writes so that COPY reads it; common types stay as they are."""
    kind = values.type
    if pa.types.is_binary(kind) or pa.types.is_list(kind) or (_is_moment(kind) and not _is_usual(values)):
        return pa.array(texts(values), pa.string())
    if pa.types.is_timestamp(kind) and kind.tz:
        # The same text; Arrow looks the zone up for every value, at a microsecond each.
        return pc.binary_join_element_wise(values.cast(pa.timestamp("us")).cast(pa.string()), "Z", "")
    return values


def texts(values: pa.ChunkedArray, separator: str = ",") -> list[str | None]:
    """The text form of each value; `separator` is that of an array's elements."""
    kind = values.type
    if pa.types.is_list(kind):
        return _arrays(values, separator)
    if _is_moment(kind):
        return _moments(values)
    if pa.types.is_binary(kind):
        return [None if v is None else f"\\x{v.hex()}" for v in values.to_pylist()]
    if pa.types.is_boolean(kind):
        return [None if v is None else "true" if v else "false" for v in values.to_pylist()]
    if pa.types.is_float64(kind):
        return [None if v is None else float_text(v) for v in values.to_pylist()]
    if pa.types.is_float32(kind):
        # Through Arrow's shortest text of four bytes; PostgreSQL takes the same digits and prints an exponent
        # from 6 digits on.
        return [None if v is None else _real_text(v) for v in values.cast(pa.string()).to_pylist()]
    plain: list[str | None] = values.cast(pa.string()).to_pylist()
    return plain


def _is_moment(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _is_usual(values: pa.ChunkedArray) -> bool:
    micros = pa.types.is_timestamp(values.type)
    ends = pc.min_max(values.cast(pa.int64() if micros else pa.int32())).as_py()
    unit = MICROS_PER_DAY if micros else 1
    return ends["min"] is None or (_FIRST_DAY * unit <= ends["min"] and ends["max"] < (_LAST_DAY + 1) * unit)


def _moments(values: pa.ChunkedArray) -> list[str | None]:
    if pa.types.is_date(values.type):
        days = values.cast(pa.int32()).to_pylist()
        return [None if v is None else _infinite(v, INFINITE_DAYS) or "".join(day_text(v)) for v in days]
    zone = "+00" if values.type.tz else ""
    micros = values.cast(pa.int64()).to_pylist()
    return [None if v is None else _infinite(v, INFINITE_MICROS) or moment_text(v, zone) for v in micros]


def _infinite(value: int, ends: tuple[int, int]) -> str:
    return {ends[0]: "-infinity", ends[1]: "infinity"}.get(value, "")


def moment_text(micros: int, zone: str) -> str:
    """A finite timestamp; `zone` is what follows the time."""
    days, time = divmod(micros, MICROS_PER_DAY)
    day, era = day_text(days)
    return f"{day} {time_text(time)}{zone}{era}"


def _real_text(text: str) -> str:
    special = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text)
    if special is not None:
        return special
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    number = float(digits)
    mantissa, _, exponent = f"{number:.8e}".partition("e")
    if number == 0 or -4 <= int(exponent) < 6:
        return sign + digits.removesuffix(".0")
    shortest = digits.partition("e")[0].replace(".", "").strip("0") or mantissa
    body = f"{shortest[0]}.{shortest[1:]}".rstrip(".")
    return f"{sign}{body}e{exponent[0]}{int(exponent[1:]):02}"


def _arrays(values: pa.ChunkedArray, separator: str) -> list[str | None]:
    lists = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    elements = lists.flatten()
    flat = texts(elements)
    if pa.types.is_boolean(elements.type):
        flat = [None if v is None else v[0] for v in flat]
    out: list[str | None] = []
    start = 0
    for length in pc.list_value_length(lists).to_pylist():
        if length is None:
            out.append(None)
        else:
            out.append("{" + separator.join(map(_element, flat[start : start + length])) + "}")
            start += length
    return out


def _element(value: str | None) -> str:
    if value is None:
        return "NULL"
    if _PLAIN_ELEMENT.fullmatch(value) and value.upper() != "NULL":
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
