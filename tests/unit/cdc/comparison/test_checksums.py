"""Buckets that differ, and statements in which names and values are data."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cdc.comparison.checksums import (
    MAX_BUCKETS,
    Bucket,
    ClickHouseChecksums,
    PostgresChecksums,
    bucket_count,
    by_rows,
    differing,
    key_condition_clickhouse,
    key_condition_postgres,
    text_of,
    unframed,
)
from cdc.spec import TableSpec
from cdc.types import parse_type


def table(*columns: tuple[str, str], key: tuple[str, ...] = ("id",)) -> TableSpec:
    described = [{"name": name, "type": kind, "nullable": name not in key} for name, kind in columns]
    return TableSpec.model_validate({"source": "public.t", "key": list(key), "columns": described})


def test_buckets_stay_small_and_few():
    assert bucket_count(0) == 16
    for rows in (10_000, 1_000_000, 10_000_000):
        assert rows / bucket_count(rows) <= 512
        assert bucket_count(rows) & (bucket_count(rows) - 1) == 0
    assert bucket_count(10**12) == MAX_BUCKETS


@pytest.mark.parametrize(
    "changed",
    [Bucket(2, 6, 4), Bucket(3, 7, 4), Bucket(3, 6, 5), None],
    ids=["rows", "sum", "xor", "gone"],
)
def test_every_figure_of_a_bucket_counts(changed):
    source = {1: Bucket(3, 6, 4), 2: Bucket(1, 1, 1)}
    other = {**source, 1: changed} if changed else {2: source[2]}
    assert differing(source, {"a": source, "b": other}) == {"a": set(), "b": {1}}


def test_a_bucket_that_only_a_sink_has_differs():
    assert differing({}, {"a": {7: Bucket(1, 5, 5)}}) == {"a": {7}}


def test_sinks_that_disagree_on_derived_columns_both_differ():
    one, other = {1: Bucket(1, 1, 1, (5, 5))}, {1: Bucket(1, 1, 1, (6, 6))}
    assert differing({1: Bucket(1, 1, 1)}, {"a": one, "b": other}) == {"a": {1}, "b": {1}}


def test_a_column_that_the_source_has_no_more_is_in_no_checksum():
    columns = [
        {"name": "id", "type": "bigint", "nullable": False},
        {"name": "gone", "type": "text[]", "dropped": True},
    ]
    left = TableSpec.model_validate({"source": "public.t", "key": ["id"], "columns": columns})
    postgres = PostgresChecksums(left, ("public", "t"), derived=False)
    assert "gone" not in postgres.buckets(16, None).as_string()
    assert "gone" not in ClickHouseChecksums(left, ("raw", "t")).buckets(16, None)
    assert by_rows(left) == ()


def test_a_key_of_one_integer_is_its_own_bucket():
    one = table(("id", "bigint"), ("v", "text"))
    assert (
        '("id"::bigint & 15)'
        in PostgresChecksums(one, ("public", "t"), derived=False).buckets(16).as_string()
    )
    assert "bitAnd(toInt64(`id`), 15)" in ClickHouseChecksums(one, ("a", "t")).buckets(16)
    two = table(("id", "bigint"), ("n", "integer"), key=("id", "n"))
    assert "md5(" in PostgresChecksums(two, ("public", "t"), derived=False).buckets(16, [3]).as_string()


def test_a_table_with_an_interval_is_compared_by_rows():
    assert by_rows(table(("id", "bigint"), ("v", "text"), ("i", "interval"))) == ("i",)


def test_keys_are_data():
    hostile = table(('a"`', "text"), ("n", "integer"), key=('a"`', "n"))
    keys = [("4:'%s`", "1"), ("3:a:b", "-2")]
    assert key_condition_postgres(hostile, keys).as_string() == (
        "(\"a\"\"`\", \"n\") IN (('''%s`', '1'), ('a:b', '-2'))"
    )
    assert key_condition_clickhouse(hostile, keys) == "(`a\"\\``, `n`) IN (('\\'%s`', 1), ('a:b', -2))"


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("bigint", 5, "5"),
        ("text", "é:1", "4:é:1"),
        ("numeric(12,2)", Decimal("1.50"), "1.5"),
        ("numeric(12,2)", Decimal("100.00"), "100"),
        ("numeric(38,0)", Decimal("123456789012345678901234567890"), "123456789012345678901234567890"),
        ("numeric(100,2)", Decimal("1.00"), "1.00"),
        ("numeric", Decimal("1.50"), "1.50"),
        ("numeric", "NaN", "NaN"),
        ("money", Decimal("1.50"), "1.5"),
        ("boolean", True, "true"),
        ("timestamptz", "2026-01-01 00:00:00.5", "2026-01-01 00:00:00.5+00"),
        ("timestamptz", "infinity", "infinity"),
        ("timestamptz", "0044-03-15 12:00:00 BC", "0044-03-15 12:00:00+00 BC"),
    ],
)
def test_a_value_that_was_read_has_the_text_that_databases_compute(kind, value, text):
    assert text_of(value, parse_type(kind)) == text
    assert unframed(text, parse_type(kind)) == text.removeprefix("4:")
