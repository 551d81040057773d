"""Geometric values as Debezium sends them → PostgreSQL's own text form.

A point, a line and a circle arrive as numbers, the others as well-known binary (OGC 06-103r4) with the kind
of shape beside it. A polygon arrives as a closed ring: its last point, which repeats the first, is left away.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping
from typing import Any

Shape = Mapping[str, Any]
_POINTS_AT = {2: 9, 3: 13}
"""Where the points begin: behind byte order, type and count; a polygon has a count of rings before it."""


class PostgresText(str):
    """A value in PostgreSQL's own text form, read from a table instead of an event."""

    __slots__ = ()


def shape_text(value: Shape | PostgresText, base: str) -> str:
    """The text form of a value of type `base`.

    Raises:
        ValueError, TypeError: the value is no such shape.
    """
    if isinstance(value, PostgresText):
        return str(value)
    if not isinstance(value, dict):
        raise TypeError(f"expected the {base} as a JSON object")
    try:
        return _WRITERS[base](value)
    except (KeyError, struct.error) as error:
        raise ValueError(f"the object is no {base}: {error}") from None


def float_text(number: Any) -> str:
    """A double as PostgreSQL prints it: shortest, no fraction of zeros, 15 digits before an exponent."""
    value = float(number)
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    text = repr(value).removesuffix(".0")
    if 1e15 <= abs(value) < 1e16:
        digits = text.lstrip("-").replace(".", "")
        mantissa = f"{digits[0]}.{digits[1:]}".rstrip("0").rstrip(".")
        text = f"{'-' if value < 0 else ''}{mantissa}e+15"
    return text


def _point(value: Shape) -> str:
    return f"({float_text(value['x'])},{float_text(value['y'])})"


def _line(value: Shape) -> str:
    return f"{{{float_text(value['a'])},{float_text(value['b'])},{float_text(value['c'])}}}"


def _circle(value: Shape) -> str:
    return f"<{_point(value['center'])},{float_text(value['radius'])}>"


def _lseg(value: Shape) -> str:
    return f"[{','.join(_points(value, 'lseg'))}]"


def _box(value: Shape) -> str:
    corners = _points(value, "box")
    return f"{corners[0]},{corners[2]}"


def _path(value: Shape) -> str:
    points = ",".join(_points(value, "path"))
    return f"({points})" if value["extensions"]["closed"] == "true" else f"[{points}]"


def _polygon(value: Shape) -> str:
    ring = _points(value, "polygon")
    return f"({','.join(ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring)})"


def _points(value: Shape, base: str) -> list[str]:
    if value["extensions"]["type"] != base:
        raise ValueError(f"the object is a {value['extensions']['type']}, expected a {base}")
    raw = base64.b64decode(value["wkb"], validate=True)
    kind = struct.unpack_from("<I", raw, 1)[0]
    start = _POINTS_AT[kind]
    count = struct.unpack_from("<I", raw, start - 4)[0]
    numbers = struct.unpack_from(f"<{2 * count}d", raw, start)
    return [f"({float_text(x)},{float_text(y)})" for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


_WRITERS: dict[str, Callable[[Shape], str]] = {
    "point": _point,
    "line": _line,
    "circle": _circle,
    "lseg": _lseg,
    "box": _box,
    "path": _path,
    "polygon": _polygon,
}
