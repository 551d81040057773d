"""A constant default has a literal in ClickHouse only when that is surely the same value."""

from __future__ import annotations

import pytest

from cdc.types import parse_type
from cdc.types.defaults import clickhouse_text


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("integer", "-7", "-7"),
        ("numeric(12,2)", "9.50", "9.50"),
        ("numeric", "9.50", None),
        ("numeric(100,2)", "1.00", None),
        ("numeric(12,2)", "NaN", None),
        ("double precision", "1e-07", "1e-07"),
        ("double precision", "Infinity", None),
        ("boolean", "t", "true"),
        ("text", "any 'text'", "any 'text'"),
        ("enum", "label", "label"),
        ("character(3)", "a  ", None),
        ("date", "2026-02-03", "2026-02-03"),
        ("date", "9999-12-31", None),
        ("date", "infinity", None),
        ("date", "0044-03-15 BC", None),
        ("timestamptz", "2026-02-03 04:05:06.789+00", "2026-02-03 04:05:06.789"),
        ("timestamptz", "2026-02-03 04:05:06+05:30", None),
        ("timestamp", "2300-01-01 00:00:00", None),
        ("text[]", "{}", "[]"),
        ("text[]", "{a}", None),
        ("bytea", "\\x00", None),
        ("interval", "P1D", None),
    ],
)
def test_literals(kind: str, text: str, expected: str | None) -> None:
    assert clickhouse_text(parse_type(kind), text) == expected
