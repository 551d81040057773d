"""Values as Debezium sends them, as Arrow has them; nothing is cut to fit."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import DataError, SchemaChangedError
from cdc.types import parse_type
from cdc.types.spark import spark_type
from cdc_spark.schemas import arrow_type
from cdc_spark.transformations.limits import CLICKHOUSE, POSTGRES
from cdc_spark.transformations.moments import time_text
from cdc_spark.transformations.values import convert_column

GOOD = [
    ("smallint", -32768, -32768),
    ("bigint", 2**63 - 1, 2**63 - 1),
    ("real", 1, 1.0),
    ("real", 1.4e-45, 2**-149),
    ("real", 1.17549435e-38, 2**-126),
    ("real", 16777216, 16777216.0),
    ("double precision", "-Infinity", -math.inf),
    ("numeric(12,2)", "-9999999999.99", Decimal("-9999999999.99")),
    ("numeric(5)", "12345", Decimal(12345)),
    ("numeric", "NAN", "NaN"),
    ("numeric", "NEGATIVE_INFINITY", "-Infinity"),
    ("numeric(5,-2)", "1234600.000", Decimal(1234600)),
    ("money", "-0.01", Decimal("-0.01")),
    ("bit(12)", "AAg=", "100000000000"),
    ("point", {"x": 1.5, "y": -2.0, "wkb": "", "srid": None}, "(1.5,-2)"),
    ("numeric", "1.500", "1.500"),
    ("numeric(60,2)", "1.5", "1.5"),
    ("numeric(100,2)", "1.5000", "1.5000"),
    ("numeric(100)", "7", "7"),
    ("boolean", False, False),
    ("char(3)", "a  ", "a  "),
    ("varchar(2)", "é€", "é€"),
    ("uuid", "6F9619FF-8B86-D011-B42D-00C04FC964FF", "6f9619ff-8b86-d011-b42d-00c04fc964ff"),
    ("jsonb", '{"n": 1e400}', '{"n": 1e400}'),
    ("jsonb", "[" * 1500 + "]" * 1500, "[" * 1500 + "]" * 1500),
    ("json", f'[{"9" * 5000}, "\\ud800"]', f'[{"9" * 5000}, "\\ud800"]'),
    ("bytea", "AAH/", b"\x00\x01\xff"),
    ("date", -25567, date(1900, 1, 1)),
    ("timestamp", 1_000_001, datetime(1970, 1, 1, 0, 0, 1, 1)),  # noqa: DTZ001 a timestamp without zone
    ("timestamptz", "2026-01-02T03:04:05.1Z", datetime(2026, 1, 2, 3, 4, 5, 100_000, tzinfo=UTC)),
    ("timestamp(3)", -1_500_000, datetime(1969, 12, 31, 23, 59, 58, 500_000)),  # noqa: DTZ001
    ("timestamp(0)[]", [1_000_000, None], [datetime(1970, 1, 1, 0, 0, 1), None]),  # noqa: DTZ001
    ("time", 45_296_500_000, "12:34:56.5"),
    ("time(1)", 45_296_500_000, "12:34:56.5"),
    ("timetz(1)", "12:34:56.5+02", "12:34:56.5+02"),
    ("interval(1)", "P0Y0M0DT0H0M6.7S", "P0Y0M0DT0H0M6.7S"),
    ("interval(6)", "P0Y0M0DT0H0M6.123456S", "P0Y0M0DT0H0M6.123456S"),
    ("interval", "P1Y-2M3DT4H5M6.789S", "P1Y-2M3DT4H5M6.789S"),
    ("enum", "a label of tomorrow", "a label of tomorrow"),
    ("text[]", ["a", None], ["a", None]),
    ("text[]", [], []),
    ("date[]", [0, None], [date(1970, 1, 1), None]),
    ("numeric(4,1)[]", ["1.5"], [Decimal("1.5")]),
]

BAD = [
    ("smallint", 40_000, SchemaChangedError),
    ("integer", 1.5, SchemaChangedError),
    ("integer", True, SchemaChangedError),
    ("bigint", "1", SchemaChangedError),
    ("real", 1e39, SchemaChangedError),
    ("double precision", "high", SchemaChangedError),
    ("numeric(12,2)", "1.005", SchemaChangedError),
    ("numeric(12,2)", "12345678901", SchemaChangedError),
    ("numeric(12,2)", "NAN", DataError),
    ("numeric(12,2)", "NaN", SchemaChangedError),
    ("numeric", "1,5", SchemaChangedError),
    ("boolean", 1, SchemaChangedError),
    ("varchar(2)", "abc", SchemaChangedError),
    ("text", "a\0b", SchemaChangedError),
    ("text", 5, SchemaChangedError),
    ("uuid", "6f9619ff", SchemaChangedError),
    ("jsonb", "{", SchemaChangedError),
    ("jsonb", "NaN", SchemaChangedError),
    ("bytea", "*", SchemaChangedError),
    ("date", 2**31 - 1, DataError),
    ("timestamptz", "1899-12-31T23:59:59Z", DataError),
    ("timestamptz", "2300-01-01T00:00:00Z", DataError),
    ("timestamptz", "yesterday", SchemaChangedError),
    ("time", -1, SchemaChangedError),
    ("interval", "1 day", SchemaChangedError),
    ("text[]", "a", SchemaChangedError),
    ("integer[]", [1, 2**40], SchemaChangedError),
    ("integer[]", [None, None], DataError),
    ("text[]", ["[Ljava.lang.String;@12d7cb4a"], DataError),
    ("bit(12)", "ABA=", SchemaChangedError),
    ("point", "(1,2)", SchemaChangedError),
]


@pytest.mark.parametrize(("name", "value", "expected"), GOOD)
def test_a_value_keeps_its_meaning(name, value, expected):
    array, bad = convert_column([None, value], parse_type(name), CLICKHOUSE)
    assert bad == {}
    assert array.to_pylist() == [None, expected]
    assert array.type == arrow_type(parse_type(name))


@pytest.mark.parametrize(("name", "value", "kind"), BAD)
def test_a_value_that_does_not_fit_is_told_and_the_others_stay(name, value, kind):
    sample = (
        next(good for known, good, _ in GOOD if parse_type(known).base == parse_type(name).base)
        if (parse_type(name).base not in ("integer", "text"))
        else None
    )
    pg = parse_type(name)
    array, bad = convert_column([sample if not pg.dimensions else None, value], pg, CLICKHOUSE)
    assert list(bad) == [1]
    assert bad[1][0] is kind
    assert repr(value)[:20] in bad[1][1]
    assert array[1].as_py() is None


@pytest.mark.parametrize(
    ("name", "kept", "finer"),
    [
        ("real", [0.12345679, "NaN"], [0.1234567891, 1 / 3, 16777217.25]),
        ("numeric(100,2)", ["1.50", "1.5000"], ["1.501"]),
        ("numeric(100)", ["7"], ["0.001"]),
        ("timestamp(3)", [2**63 - 1, 1_000, -1_000], [1_001, -1]),
        ("timestamp(0)", [1_000_000], [1_000]),
        ("timestamptz(3)", ["2026-01-02T03:04:05.123Z"], ["2026-01-02T03:04:05.1234Z"]),
        ("timestamp(3)[]", [[1_000, None]], [[1_000, 1_001]]),
        ("time(0)", [45_296_000_000], [45_296_500_000]),
        ("timetz(0)", ["12:34:56+02"], ["12:34:56.5+02"]),
        ("interval(1)", ["P0Y0M0DT0H0M6.7S"], ["P0Y0M0DT0H0M6.78S"]),
    ],
)
def test_a_value_with_more_digits_than_its_type_keeps_is_of_another_type(name, kept, finer):
    """The warehouse would round it."""
    pg = parse_type(name)
    assert convert_column([*kept, None], pg, POSTGRES)[1] == {}
    if name != "real":
        assert convert_column([*kept, *finer, None], replace(pg, as_text=True), POSTGRES)[1] == {}
    bad = convert_column([*kept, *finer], pg, POSTGRES)[1]
    assert list(bad) == list(range(len(kept), len(kept) + len(finer)))
    assert {kind for kind, _ in bad.values()} == {SchemaChangedError}


def test_a_number_that_is_none_leaves_the_others_as_they_are():
    values = ["100." + "0" * 150, "NAN", None, "POSITIVE_INFINITY"]
    array, bad = convert_column(values, parse_type("numeric(200,-150)"), POSTGRES)
    assert (array.to_pylist(), bad) == (["100", "NaN", None, "Infinity"], {})


def test_nan_is_a_float():
    array, bad = convert_column(["NaN", 1.5], parse_type("real"), CLICKHOUSE)
    assert bad == {}
    assert math.isnan(array[0].as_py())


def test_the_warehouse_holds_days_that_clickhouse_does_not():
    assert convert_column(["1850-01-01T00:00:00Z"], parse_type("timestamptz"), POSTGRES)[1] == {}
    assert convert_column(["1850-01-01T00:00:00Z"], parse_type("timestamptz"), CLICKHOUSE)[1] != {}


@given(st.lists(st.one_of(st.none(), st.decimals(-(10**10) + 1, 10**10 - 1, places=2))))
def test_every_decimal_of_the_declared_type_survives(values):
    sent = [None if value is None else format(value, "f") for value in values]
    array, bad = convert_column(sent, parse_type("numeric(12,2)"), CLICKHOUSE)
    assert bad == {}
    assert array.to_pylist() == values


@given(st.lists(st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.booleans()), max_size=20))
def test_whatever_comes_every_value_is_kept_or_told(values):
    array, bad = convert_column(values, parse_type("integer"), CLICKHOUSE)
    for position, value in enumerate(values):
        told = position in bad
        fits = value is None or (type(value) is int and -(2**31) <= value < 2**31)
        assert told != fits
        assert array[position].as_py() == (None if told else value)


@given(st.integers(0, 86_400_000_000))
def test_a_time_of_day_reads_back(micros):
    hours, minutes, seconds = time_text(micros).split(":")
    assert int(hours) * 3600_000_000 + int(minutes) * 60_000_000 + round(float(seconds) * 1e6) == micros


@pytest.mark.parametrize("name", sorted({name for name, _, _ in GOOD}))
def test_arrow_and_spark_agree_on_every_type(name):
    from pyspark.sql.pandas.types import from_arrow_type
    from pyspark.sql.types import StructType

    field = {"name": "c", "type": spark_type(parse_type(name)), "nullable": True, "metadata": {}}
    declared = StructType.fromJson({"type": "struct", "fields": [field]})["c"].dataType
    assert from_arrow_type(arrow_type(parse_type(name)), prefer_timestamp_ntz=True) == declared
    assert isinstance(arrow_type(parse_type(name)), pa.DataType)
