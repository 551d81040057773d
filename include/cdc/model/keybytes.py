"""The bytes of a Kafka key as Debezium writes them: JSON of the key's columns in their order.

Only for types whose form is plain; what is made here is not believed before stored rows prove it
(`cdc.model.partitioner`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

_WRITTEN_OTHERWISE = re.compile(r"\\(?:u[0-9a-f]{4}|.)|[\U00010000-\U0010ffff]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _as_kafkas_converter(found: re.Match[str]) -> str:
    """Kafka's converter escapes what needs two UTF-16 units, and writes an escape's digits in capitals."""
    escape = found[0] if found[0].startswith("\\") else json.dumps(found[0])[1:-1]
    return re.sub(r"[0-9a-f]{4}", lambda digits: digits[0].upper(), escape)


def _day(text: str) -> int:
    return (date.fromisoformat(text) - _EPOCH.date()).days


def _micros(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _zoned(text: str) -> str:
    return datetime.fromisoformat(text).isoformat(timespec="microseconds").replace("+00:00", "Z")


_FORMS: dict[str, Callable[[str], object]] = {
    "integer": int,
    "text": str,
    "uuid": str,
    "boolean": lambda text: text == "true",
    "date": _day,
    "timestamp": _micros,
    "timestamptz": _zoned,
}
"""From a value's canonical text, by the form in which Debezium writes the type (`cdc.types.kinds`)."""


def key_bytes(columns: Sequence[tuple[str, str]], texts: Sequence[str]) -> bytes | None:
    """The key of a row; None when the form of a column is not one of the plain ones, or its value is not.

    Args:
        columns: name and form of each.
        texts: the values' canonical texts, without the length before them.
    """
    values: dict[str, object] = {}
    try:
        for (name, form), text in zip(columns, texts, strict=True):
            values[name] = _FORMS[form](text)
    except (KeyError, ValueError):
        return None
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return _WRITTEN_OTHERWISE.sub(_as_kafkas_converter, text).encode()
