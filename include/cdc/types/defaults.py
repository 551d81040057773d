"""Constant defaults: PostgreSQL's text of a value → a literal that ClickHouse reads as the same value. Pure.

The warehouse reads PostgreSQL's text itself. Where ClickHouse has no literal that is the same value for sure,
there is none here, and the rows are read from the source instead.
"""

from __future__ import annotations

import re

from cdc.types.pgtype import PgType
from cdc.types.sinks import clickhouse_decimal

_INTEGER = re.compile(r"^-?\d+$")
_NUMBER = re.compile(r"^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$")
_DAY = re.compile(r"^(?:19\d\d|2[01]\d\d|22[0-8]\d)-\d\d-\d\d$")
"""Years that `Date32` and `DateTime64(6)` hold, with a margin; far ones are clamped by ClickHouse."""
_MOMENT = re.compile(
    r"^(?P<at>(?:19\d\d|2[01]\d\d|22[0-8]\d)-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?)(?:\+00)?$"
)
_TEXTS = frozenset({"text", "character varying", "citext", "enum", "json", "jsonb", "name"})


def clickhouse_text(pg: PgType, text: str) -> str | None:
    """The text that ClickHouse casts to the column's type as the same value, or None when there is none.

    Args:
        pg: the column's type.
        text: PostgreSQL's own text of the value, with ISO dates and in UTC.
    """
    if pg.as_text:
        return text
    if pg.dimensions:
        return "[]" if text == "{}" else None
    match pg.base:
        case "smallint" | "integer" | "bigint":
            return text if _INTEGER.match(text) else None
        case "numeric" | "real" | "double precision":
            # Numbers that no decimal holds are text in ClickHouse, in the form in which Debezium writes them.
            held = pg.base != "numeric" or clickhouse_decimal(pg) is not None
            return text if held and _NUMBER.match(text) else None
        case "boolean":
            return {"t": "true", "f": "false"}.get(text)
        case "uuid":
            return text
        case "date":
            return text if _DAY.match(text) else None
        case "timestamp with time zone" | "timestamp without time zone":
            found = _MOMENT.match(text)
            return found["at"] if found else None
        case base if base in _TEXTS:
            return text
        case _:
            return None
