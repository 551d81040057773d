"""Values in canonical form are stepped through in PostgreSQL's order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cdc.comparison.merge import RowShape, compare_rows
from cdc.comparison.order import clickhouse_number, rank
from cdc.comparison.values import canonicalizer
from cdc.types import parse_type

MOMENTS = (
    "-infinity", "4713-01-01 00:00:00 BC", "0044-03-15 00:00:00 BC", "0001-12-31 23:59:59.45 BC",
    "0001-12-31 23:59:59.5 BC", "0001-01-01 00:00:00", "1899-12-31 23:59:59", "2026-02-28 23:59:59",
    "2026-02-28 23:59:59.999", "2026-03-01 00:00:00", "9999-12-31 23:59:59", "10000-01-01 00:00:00",
    "294246-12-31 00:00:00", "infinity",
)  # fmt: skip
DATES = (
    "-infinity", "4713-01-01 BC", "0044-03-15 BC", "0001-12-31 BC", "0001-01-01", "2026-03-15", "9999-12-31",
    "10000-01-01", "5874897-12-31", "infinity",
)  # fmt: skip
NUMBERS = ("-Infinity", "-1" + "0" * 50, "-1.55", "-1.5", "-0.5", "0", "9", "10", "1" + "0" * 50, "Infinity",
           "NaN")  # fmt: skip


def zoned(text: str) -> str:
    """As PostgreSQL prints it with a zone."""
    if text.endswith("infinity"):
        return text
    return text.removesuffix(" BC") + "+00" + (" BC" if text.endswith(" BC") else "")


@pytest.mark.parametrize(
    ("type_", "texts"),
    [
        ("timestamp", MOMENTS),
        ("timestamptz", tuple(map(zoned, MOMENTS))),
        ("date", DATES),
        ("numeric", NUMBERS),
        ("numeric(100,2)", NUMBERS),
        ("numeric(12,2)", ("-1.00", "0.00", "9.00", "10.00", "NaN")),
    ],
)
def test_rows_with_such_keys_are_walked_through(type_: str, texts: tuple[str, ...]) -> None:
    pg = parse_type(type_)
    canonical = canonicalizer(pg)
    assert canonical is not None
    rows = [(canonical(text),) for text in texts]
    shape = RowShape(1, ("id",), ranks=(rank(pg),))
    report = compare_rows(rows, {"equal": rows, "fewer": rows[1::2]}, shape)
    assert report.counts == {"equal": {}, "fewer": {"missing": len(rows[::2])}}
    ranks = [shape.rank(row) for row in rows]
    assert sorted(ranks) == ranks


def test_other_columns_of_a_key_are_ordered_by_themselves() -> None:
    shape = RowShape(2, ("a", "b"), ranks=(None, rank(parse_type("numeric"))))
    rows = [("x", Decimal(2)), ("x", "NaN"), ("y", Decimal(1))]
    assert compare_rows(rows, {"one": rows}, shape).equal
    assert rank(parse_type("text")) is None


def test_a_number_that_clickhouse_has_is_ordered_as_it_is() -> None:
    assert clickhouse_number("`n`", parse_type("numeric(12,2)")) == "`n`"
    assert clickhouse_number("`n`", parse_type("numeric(100,2)")) != "`n`"
