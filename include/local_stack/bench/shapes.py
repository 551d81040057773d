"""The tables that are measured: columns with their types in each system, and how a value is compared.

Values are kept as the JSON text in which Debezium writes them; every value can be read back from each sink in
one text form, so that end states are compared without rounding.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

WIDE_COLUMNS = 60
_STATUS = ("pending", "paid", "shipped", "delivered", "cancelled")
_WORDS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett")


class Kind(StrEnum):
    """The types in use, by their name at the source."""

    BIGINT = "bigint"
    INTEGER = "integer"
    TEXT = "text"
    BOOLEAN = "boolean"
    NUMERIC = "numeric(12,2)"
    MOMENT = "timestamptz"


CLICKHOUSE = {
    Kind.BIGINT: "Int64",
    Kind.INTEGER: "Int32",
    Kind.TEXT: "String",
    Kind.BOOLEAN: "Bool",
    Kind.NUMERIC: "Decimal(12, 2)",
    Kind.MOMENT: "DateTime64(6, 'UTC')",
}


@dataclass(frozen=True)
class Column:
    """A column that is never a key, except the first one of its shape."""

    name: str
    kind: Kind
    nullable: bool = False


@dataclass(frozen=True)
class Shape:
    """A table whose key is `id`, its first column."""

    name: str
    columns: tuple[Column, ...]

    @property
    def source(self) -> str:
        """The qualified name at the source."""
        return f"public.{self.name}"

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)

    def create_source(self) -> str:
        """DDL at the source and in a peer's PostgreSQL."""
        body = ", ".join(f"{c.name} {c.kind}{'' if c.nullable else ' NOT NULL'}" for c in self.columns[1:])
        return f"({self.columns[0].name} {self.columns[0].kind} PRIMARY KEY, {body})"


ORDERS = Shape(
    "bench_orders",
    (
        Column("id", Kind.BIGINT),
        Column("customer_id", Kind.BIGINT),
        Column("status", Kind.TEXT),
        Column("amount", Kind.NUMERIC),
        Column("quantity", Kind.INTEGER),
        Column("note", Kind.TEXT, nullable=True),
        Column("updated_at", Kind.MOMENT),
    ),
)


def wide() -> Shape:
    """A table of 60 columns, the types in turn."""
    kinds = (Kind.TEXT, Kind.INTEGER, Kind.NUMERIC, Kind.MOMENT, Kind.BOOLEAN, Kind.BIGINT)
    columns = [Column(f"c{number:02d}", kinds[number % len(kinds)]) for number in range(1, WIDE_COLUMNS)]
    return Shape("bench_wide", (Column("id", Kind.BIGINT), *columns))


def numbered(count: int) -> tuple[Shape, ...]:
    """So many tables of seven columns."""
    return tuple(Shape(f"bench_t{number:02d}", ORDERS.columns) for number in range(1, count + 1))


def makers(shape: Shape, rng: random.Random) -> tuple[Callable[[], str], ...]:
    """For each column but the key, a function that makes a value as JSON text."""
    return tuple(_maker(column, rng) for column in shape.columns[1:])


def _maker(column: Column, rng: random.Random) -> Callable[[], str]:
    if column.name == "status":
        values = tuple(f'"{status}"' for status in _STATUS)
        return lambda: rng.choice(values)
    make = _MAKERS[column.kind]
    if column.nullable:
        return lambda: "null" if rng.random() < 0.3 else make(rng)
    return lambda: make(rng)


def _moment(rng: random.Random) -> str:
    seconds = int(rng.random() * 86_400)
    # Debezium and both sinks write trailing zeros in different ways, so there are none.
    micros = int(rng.random() * 99_999) * 10 + 1 + int(rng.random() * 9)
    return (
        f'"2026-{1 + int(rng.random() * 12):02d}-{1 + int(rng.random() * 28):02d}T'
        f'{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{micros:06d}Z"'
    )


_MAKERS: dict[Kind, Callable[[random.Random], str]] = {
    Kind.BIGINT: lambda rng: str(int(rng.random() * 5_000_000)),
    Kind.INTEGER: lambda rng: str(1 + int(rng.random() * 99)),
    Kind.TEXT: lambda rng: f'"{rng.choice(_WORDS)} {rng.choice(_WORDS)} {int(rng.random() * 1e6)}"',
    Kind.BOOLEAN: lambda rng: "true" if rng.random() < 0.5 else "false",
    Kind.NUMERIC: lambda rng: (
        f'"{int(rng.random() * 9_999)}.{int(rng.random() * 10)}{1 + int(rng.random() * 9)}"'
    ),
    Kind.MOMENT: _moment,
}


def postgres_text(column: Column) -> str:
    """An expression for the value's one text form, in PostgreSQL."""
    if column.kind is Kind.MOMENT:
        return f"""to_char({column.name} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    return f"coalesce({column.name}::text, 'null')"


def clickhouse_text(column: Column) -> str:
    """The same in ClickHouse."""
    if column.kind is Kind.MOMENT:
        return f"formatDateTime({column.name}, '%Y-%m-%dT%H:%i:%S.%fZ', 'UTC')"
    return f"ifNull(toString({column.name}), 'null')"


def plain(value: str) -> str:
    """The text form of a value that is kept as JSON."""
    return value.strip('"')
