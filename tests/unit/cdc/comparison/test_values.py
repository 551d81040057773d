"""When two values are the same value."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.comparison.values import canonicalizer
from cdc.errors import DataError
from cdc.types import parse_type


def same(type_name: str, left: object, right: object) -> bool:
    function = canonicalizer(parse_type(type_name))
    return left == right if function is None else function(left) == function(right)


@pytest.mark.parametrize(
    ("type_name", "left", "right"),
    [
        ("numeric(12,2)", "10.50", "10.5"),
        ("numeric", "NaN", "NaN"),
        ("real", 0.1, 0.10000000149011612),
        ("double precision", float("nan"), float("nan")),
        ("double precision", -0.0, 0.0),
        ("char(3)", "kr ", "kr"),
        ("timestamptz", "2026-01-01 10:00:00.12+00", "2026-01-01 10:00:00.120000"),
        ("timestamptz", "2026-01-01 10:00:00+00", "2026-01-01 10:00:00.000000"),
        ("timestamptz[]", '["2026-01-01T10:00:00+00:00"]', '["2026-01-01 10:00:00.000000"]'),
        ("time", "10:00:00", "10:00:00.000"),
        ("jsonb", '{"a": 1, "b": 2.0}', '{"b": 2, "a": 1.00}'),
        ("jsonb", "[1000, -0.50, 0.00]", "[1e3, -5e-1, -0]"),
        ("interval", "P1Y2M3DT4H5M6.5S", "P14M3DT245M6.50S"),
        ("interval", "PT0S", "P0Y0M0DT0H0M0S"),
        ("inet", "10.0.0.1/32", "10.0.0.1"),
        ("numeric(5,2)[]", "[1.5, null]", '["1.50", null]'),
        ("bigint[]", "[9223372036854775807]", '["9223372036854775807"]'),
        ("double precision[]", '["NaN", 1]', '["nan", 1.0]'),
    ],
)
def test_what_postgresql_holds_to_be_equal_is_equal(type_name, left, right):
    assert same(type_name, left, right)


@pytest.mark.parametrize(
    ("type_name", "left", "right"),
    [
        ("text", "a", "a "),
        ("jsonb", '{"a": 1}', '{"a": true}'),
        ("jsonb", '{"a": 1}', '{"a": "1"}'),
        ("jsonb", "null", '"null"'),
        ("jsonb", "[1, 2]", "[2, 1]"),
        ("jsonb", "12345678901234567890", "12345678901234567891"),
        ("jsonb", "0.1234567890123456789012345678901", "0.1234567890123456789012345678902"),
        ("jsonb", "1e3", "1e4"),
        ("json", '{"a":1}', '{"a": 1}'),
        ("text[]", "[]", "null"),
        ("text[]", '["NULL"]', "[null]"),
        ("text[]", '[""]', "[]"),
        ("timestamptz", "2026-01-01 10:00:00.000001+00", "2026-01-01 10:00:00"),
        ("timestamptz", "2026-01-01 10:00:10+00", "2026-01-01 10:00:01+00"),
        ("interval", "P1M", "P30D"),
        ("numeric(12,2)", "10.50", "10.51"),
    ],
)
def test_what_differs_stays_different(type_name, left, right):
    assert not same(type_name, left, right)


def test_an_interval_in_another_style_is_refused_and_named():
    function = canonicalizer(parse_type("interval"))
    assert function is not None
    with pytest.raises(DataError, match="1 day"):
        function("1 day")


def test_documents_deeper_than_python_reads_are_compared_by_their_text():
    deep = "[" * 20_000 + "]" * 20_000
    assert same("jsonb", deep, deep)
    assert not same("jsonb", deep, f"[{deep}]")


def test_an_array_holds_numbers_of_any_length():
    assert same("numeric[]", f"[{'9' * 5000}]", f"[{'9' * 5000}.0]")
    assert not same("numeric[]", f"[{'9' * 5000}]", f"[{'9' * 5000}.1]")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12))
def test_trailing_zeros_never_make_a_number_different(number: Decimal):
    assert same("numeric(18,6)", str(number), f"{number:f}")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON, _JSON)
def test_jsonb_documents_are_the_same_exactly_when_their_sorted_text_is(left, right):
    def sorted_text(value: object) -> str:
        return json.dumps(value, sort_keys=True)

    assert same("jsonb", json.dumps(left), json.dumps(right)) == (sorted_text(left) == sorted_text(right))
    assert same("jsonb", json.dumps(left), json.dumps(left, indent=2))
