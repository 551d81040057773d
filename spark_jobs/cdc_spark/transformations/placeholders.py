"""Debezium's placeholder for a TOAST value that an update did not touch: it must never be written."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from cdc.errors import DataError

TEXT = "__debezium_unavailable_value"
_BYTES = base64.b64encode(TEXT.encode()).decode()
_NUMBERS = list(TEXT.encode())
_FORMS: tuple[Any, ...] = (TEXT, _BYTES, [TEXT], _NUMBERS)
_MARKS = (TEXT.encode(), _BYTES.encode(), ",".join(map(str, _NUMBERS[:12])).encode())


def may_hold(raw: bytes) -> bool:
    """A quick look at an event's bytes: False means that no column can hold the placeholder."""
    return any(mark in raw for mark in _MARKS)


def refuse(names: Sequence[str], values: Sequence[Any]) -> None:
    """Raise when a column is exactly the placeholder; a text that merely contains it is a user's own.

    Raises:
        DataError: names the columns, and what to do.
    """
    held = [name for name, value in zip(names, values, strict=True) if value in _FORMS]
    if held:
        raise DataError(
            f"received Debezium's placeholder of an unchanged TOAST value in {', '.join(map(repr, held))}, "
            "expected the value: set REPLICA IDENTITY FULL on the table, or update the row so that the value "
            "is sent"
        )
