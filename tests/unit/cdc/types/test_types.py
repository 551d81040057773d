"""The type map: what is carried, as what, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import DataError
from cdc.types import PgType, clickhouse_type, parse_type, spark_type, warehouse_type
from cdc.types.kinds import KINDS


@pytest.mark.parametrize(
    ("text", "base", "args", "dimensions"),
    [
        ("int8", "bigint", (), 0),
        ("varchar(40)", "character varying", (40,), 0),
        ("char", "character", (1,), 0),
        ("bpchar", "character", (), 0),
        ("bpchar(5)", "character", (5,), 0),
        ("bpchar[]", "character", (), 1),
        ("numeric( 12 , 2 )", "numeric", (12, 2), 0),
        ("timestamptz", "timestamp with time zone", (), 0),
        ("timestamp(3) with time zone", "timestamp with time zone", (3,), 0),
        ("TEXT[]", "text", (), 1),
        ("enum[]", "enum", (), 1),
        ("interval day to second(2)", "interval", (2,), 0),
        ("numeric(5,-2)", "numeric", (5, -2), 0),
        ('"char"', '"char"', (), 0),
        ("ext.hstore", "hstore", (), 0),
    ],
)
def test_names_and_aliases_are_parsed(text: str, base: str, args: tuple[int, ...], dimensions: int) -> None:
    assert parse_type(text) == PgType(base, args, dimensions)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing", "is not carried"),
        ("numeric(", "is not a PostgreSQL type name"),
        ("", "is not a PostgreSQL type name"),
    ],
)
def test_what_is_not_carried_is_refused_with_the_name(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        parse_type(text)


@pytest.mark.parametrize(
    ("text", "why", "clickhouse", "warehouse"),
    [
        ("varbit(9)", "sends no length", "String", "bit varying(9)"),
        ("timetz", "its zone is lost", "String", "time with time zone"),
        ("numeric(12,2)[][]", "more than one dimension", "String", "numeric(12,2)[]"),
        ("enum[][]", "more than one dimension", "String", "text[]"),
        ("time(3)[]", "to milliseconds", "Array(Nullable(Time64(6)))", "time(3) without time zone[]"),
        ("money[]", "leaves such a column out", "Array(Nullable(Decimal(19, 2)))", "money[]"),
        ("vector", "was not recorded", "String", "text"),
    ],
)
def test_what_events_lose_is_read_at_the_source(text: str, why: str, clickhouse: str, warehouse: str) -> None:
    pg = parse_type(text)
    assert why in pg.lost
    assert clickhouse_type(pg, nullable=False) == clickhouse
    assert warehouse_type(pg) == warehouse


@given(st.sampled_from(sorted(KINDS)))
def test_a_printed_type_parses_to_itself(base: str) -> None:
    parsed = parse_type(base)
    assert parse_type(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "nullable", "clickhouse", "spark", "warehouse"),
    [
        ("bigint", False, "Int64", "long", "bigint"),
        ("numeric(12,2)", True, "Nullable(Decimal(12, 2))", "decimal(12,2)", "numeric(12,2)"),
        ("numeric", True, "Nullable(String)", "string", "numeric"),
        ("numeric(50,2)", False, "Decimal(50, 2)", "string", "numeric(50,2)"),
        ("numeric(100,2)", False, "String", "string", "numeric(100,2)"),
        ("numeric(2,5)", False, "Decimal(5, 5)", "decimal(5,5)", "numeric(2,5)"),
        ("numeric(5,-2)", False, "Decimal(7, 0)", "decimal(7,0)", "numeric(5,-2)"),
        ("money", True, "Nullable(Decimal(19, 2))", "decimal(19,2)", "money"),
        ("hstore", True, "Map(String, Nullable(String))", "string", "hstore"),
        ("other", True, "Nullable(String)", "string", "text"),
        ("time", True, "Nullable(Time64(6))", "string", "time without time zone"),
        ("enum", True, "LowCardinality(Nullable(String))", "string", "text"),
        ("enum[]", True, "Array(LowCardinality(Nullable(String)))",
         {"type": "array", "elementType": "string", "containsNull": True}, "text[]"),
        ("timestamptz", False, "DateTime64(6, 'UTC')", "timestamp", "timestamp with time zone"),
        ("date", True, "Nullable(Date32)", "date", "date"),
        ("jsonb", True, "Nullable(String)", "string", "jsonb"),
        ("uuid", False, "UUID", "string", "uuid"),
        ("bytea", False, "String", "binary", "bytea"),
    ],
)  # fmt: skip
def test_each_side_has_its_type(
    text: str, nullable: bool, clickhouse: str, spark: object, warehouse: str
) -> None:
    pg = parse_type(text)
    assert clickhouse_type(pg, nullable=nullable) == clickhouse
    assert spark_type(pg) == spark
    assert warehouse_type(pg) == warehouse
