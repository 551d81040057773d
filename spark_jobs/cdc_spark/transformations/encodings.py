"""Values that Debezium encodes its own way → PostgreSQL's text form: bit strings and hstore."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pyarrow as pa


def bit_text(value: Any, width: int) -> str:
    """`bit(n)` in PostgreSQL's text form; Debezium sends a boolean for one bit, else bytes, lowest first.

    Raises:
        ValueError, TypeError: the value is none, or has more bits.
    """
    if width == 1:
        if type(value) is not bool:
            raise TypeError("expected true or false for bit(1)")
        return "1" if value else "0"
    number = int.from_bytes(base64.b64decode(value, validate=True), "little")
    if number >> width:
        raise ValueError(f"the value has more than {width} bits")
    return format(number, f"0{width}b")


def hstore_text(value: str) -> str:
    """Debezium's JSON of an hstore in PostgreSQL's text form."""
    # PostgreSQL keeps the keys in the order of their length.
    pairs = sorted(orjson.loads(value).items(), key=lambda pair: (len(pair[0].encode()), pair[0].encode()))
    return ", ".join(f"{_quoted(k)}=>{'NULL' if v is None else _quoted(v)}" for k, v in pairs)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def hstore_texts(values: pa.ChunkedArray) -> pa.Array:
    """Debezium's JSON of hstores, or of lists of them, in PostgreSQL's text form."""

    def text(value: Any) -> Any:
        if isinstance(value, list):
            return [text(element) for element in value]
        return None if value is None else hstore_text(value)

    return pa.array([text(value) for value in values.to_pylist()], values.type)
