"""Checksums of a table by buckets of its key: the statements that each database runs for itself.

A row's hash is the first 64 bits of the MD5 of its values' canonical texts; a bucket has the number of its
rows, the sum and the exclusive-or of their hashes. A key of one integer is its own bucket number (its low
bits); of other keys it is their texts' hash. Rows that agree never leave their database.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg import sql

from cdc.comparison.canonical import (
    clickhouse_text,
    is_framed,
    is_rendered_alike,
    postgres_text,
    trims_zeros,
)
from cdc.comparison.window import (
    clickhouse_conditions,
    postgres_conditions,
    where_clickhouse,
    where_postgres,
)
from cdc.ddl.columns import quote_ch, quote_ch_string
from cdc.model.window import Window
from cdc.spec import ColumnSpec, DerivedColumnSpec, TableSpec
from cdc.types import PgType

ROWS_OF_A_BUCKET = 512
MAX_BUCKETS = 2**16
_INTEGERS = frozenset({"smallint", "integer", "bigint"})
_BY_INDEX = _INTEGERS | {"oid", "uuid", "text", "character varying", "citext", "name", "enum"}
"""Key types that ClickHouse compares with a literal."""
# PostgreSQL takes at most 100 arguments.
_ARGUMENTS = 90


@dataclass(frozen=True)
class Bucket:
    """What a database says of one bucket.

    Attributes:
        derived: sum and exclusive-or over the derived columns, which only sinks have.
    """

    rows: int
    total: int
    xor: int
    derived: tuple[int, int] = (0, 0)

    @property
    def source(self) -> tuple[int, int, int]:
        """What is compared with the source."""
        return self.rows, self.total, self.xor


Buckets = Mapping[int, Bucket]


def by_rows(table: TableSpec) -> tuple[str, ...]:
    """The columns because of which a table is compared row by row."""
    columns: tuple[DerivedColumnSpec, ...] = (*table.live_columns, *table.derived)
    return tuple(column.name for column in columns if not is_rendered_alike(column.pg_type))


def bucket_count(rows: int) -> int:
    """How many buckets a table of so many rows has: a power of two."""
    return min(MAX_BUCKETS, 1 << max(4, (rows // ROWS_OF_A_BUCKET).bit_length()))


def differing(source: Buckets, sinks: Mapping[str, Buckets]) -> dict[str, set[int]]:
    """By sink, the buckets that are not the source's, or whose derived columns are not the other sinks'."""
    every = set(source).union(*sinks.values())
    none = Bucket(0, 0, 0)
    found = {
        name: {b for b in every if source.get(b, none).source != mine.get(b, none).source}
        for name, mine in sinks.items()
    }
    for bucket in every:
        if len({mine.get(bucket, none).derived for mine in sinks.values()}) > 1:
            for numbers in found.values():
                numbers.add(bucket)
    return found


class PostgresChecksums:
    """The statements for the source, or for the warehouse's view with its derived columns."""

    def __init__(
        self, table: TableSpec, relation: tuple[str, str], *, derived: bool, window: Window | None = None
    ) -> None:
        self._table, self._relation = table, sql.Identifier(*relation)
        self._derived = table.derived if derived else ()
        self._window = window

    def buckets(self, count: int, only: Collection[int] | None = None) -> sql.Composed:
        """Bucket, rows, sum, xor, and the derived columns' sum and xor."""
        return sql.SQL(
            "SELECT _cdc_b, count(*), sum(_cdc_h), bit_xor(_cdc_h), sum(_cdc_d), bit_xor(_cdc_d) "
            "FROM ({}) AS r GROUP BY _cdc_b"
        ).format(self._rows(count, only, keys=False))

    def rows(self, count: int, only: Collection[int]) -> sql.Composed:
        """The texts of the key's columns, then both hashes, of each row of these buckets."""
        names = [sql.Identifier(f"_cdc_k{n}") for n in range(len(self._table.key))]
        return sql.SQL("SELECT {}, _cdc_h, _cdc_d FROM ({}) AS r").format(
            sql.SQL(", ").join(names), self._rows(count, only, keys=True)
        )

    def _rows(self, count: int, only: Collection[int] | None, *, keys: bool) -> sql.Composed:
        bucket = self._bucket(count)
        shown = [
            sql.SQL("{} AS _cdc_b").format(bucket),
            sql.SQL("{} AS _cdc_h").format(self._hash(self._table.live_columns)),
        ]
        every = (*self._table.key_columns, *self._derived)
        shown.append(
            sql.SQL("{} AS _cdc_d").format(self._hash(every) if self._derived else sql.SQL("0::bigint"))
        )
        if keys:
            shown += [
                sql.SQL("{} AS {}").format(postgres_text(column), sql.Identifier(f"_cdc_k{n}"))
                for n, column in enumerate(self._table.key_columns)
            ]
        # OFFSET 0 keeps the hash from being computed once for each aggregate.
        conditions = [
            *postgres_conditions(self._table, self._window),
            *([] if only is None else [_among(bucket, only)]),
        ]
        return sql.SQL("SELECT {} FROM {}{} OFFSET 0").format(
            sql.SQL(", ").join(shown), self._relation, where_postgres(conditions)
        )

    def _bucket(self, count: int) -> sql.Composed:
        key = self._table.key_columns
        mask = sql.Literal(count - 1)
        if _is_integer(key):
            return sql.SQL("({}::bigint & {})").format(sql.Identifier(key[0].name), mask)
        return sql.SQL("({} & {})").format(self._hash(key), mask)

    def _hash(self, columns: Sequence[DerivedColumnSpec]) -> sql.Composed:
        texts: list[sql.Composable] = [postgres_text(column) for column in columns]
        while len(texts) > _ARGUMENTS:
            texts = [_joined(texts[at : at + _ARGUMENTS]) for at in range(0, len(texts), _ARGUMENTS)]
        return sql.SQL("('x' || substr(md5({}), 1, 16))::bit(64)::bigint").format(_joined(texts))


class ClickHouseChecksums:
    """The statements for ClickHouse's view."""

    def __init__(self, table: TableSpec, relation: tuple[str, str], *, window: Window | None = None) -> None:
        self._table, self._relation = table, ".".join(map(quote_ch, relation))
        self._window = window

    def buckets(self, count: int, only: Collection[int] | None = None) -> str:
        """Bucket, rows, sum, xor, and the derived columns' sum and xor."""
        return (
            "SELECT _cdc_b, count(), sum(toInt128(_cdc_h)), groupBitXor(_cdc_h), "  # noqa: S608
            "sum(toInt128(_cdc_d)), groupBitXor(_cdc_d) "
            f"FROM ({self._rows(count, only, keys=False)}) GROUP BY _cdc_b"
        )

    def rows(self, count: int, only: Collection[int]) -> str:
        """The texts of the key's columns, then both hashes, of each row of these buckets."""
        names = ", ".join(f"_cdc_k{n}" for n in range(len(self._table.key)))
        return f"SELECT {names}, _cdc_h, _cdc_d FROM ({self._rows(count, only, keys=True)})"  # noqa: S608

    def _rows(self, count: int, only: Collection[int] | None, *, keys: bool) -> str:
        bucket, table = self._bucket(count), self._table
        derived = self._hash((*table.key_columns, *table.derived)) if table.derived else "toInt64(0)"
        shown = [f"{bucket} AS _cdc_b", f"{self._hash(table.live_columns)} AS _cdc_h", f"{derived} AS _cdc_d"]
        if keys:
            shown += [f"{self._text(column)} AS _cdc_k{n}" for n, column in enumerate(table.key_columns)]
        conditions = [*clickhouse_conditions(table, self._window)]
        if only is not None:
            conditions.append(f"{bucket} IN ({', '.join(map(str, sorted(only)))})")
        return f"SELECT {', '.join(shown)} FROM {self._relation}{where_clickhouse(conditions)}"  # noqa: S608

    def _bucket(self, count: int) -> str:
        key = self._table.key_columns
        number = f"toInt64({quote_ch(key[0].name)})" if _is_integer(key) else self._hash(key)
        return f"bitAnd({number}, {count - 1})"

    def _hash(self, columns: Sequence[DerivedColumnSpec]) -> str:
        texts = ", '|', ".join(map(self._text, columns))
        joined = f"concat({texts})" if len(columns) > 1 else texts
        return f"reinterpretAsInt64(reverse(substring(MD5({joined}), 1, 8)))"

    def _text(self, column: DerivedColumnSpec) -> str:
        # Derived columns can always be NULL, columns of the key never.
        nullable = not isinstance(column, ColumnSpec) or (
            column.nullable and column.name not in self._table.key
        )
        return clickhouse_text(column, nullable=nullable)


def key_condition_postgres(table: TableSpec, keys: Sequence[tuple[str, ...]]) -> sql.Composed:
    """The rows of these keys, given by the texts of their columns."""
    names = sql.SQL(", ").join(sql.Identifier(name) for name in table.key)
    types = [column.pg_type for column in table.key_columns]
    tuples = [
        sql.SQL("({})").format(
            sql.SQL(", ").join(
                sql.Literal(postgres_value(text, pg)) for text, pg in zip(key, types, strict=True)
            )
        )
        for key in keys
    ]
    return sql.SQL("({}) IN ({})").format(names, sql.SQL(", ").join(tuples))


def key_condition_clickhouse(table: TableSpec, keys: Sequence[tuple[str, ...]], prefix: str = "") -> str:
    """The same for ClickHouse; keys of common types are found by its index."""
    places = [_clickhouse_place(column, prefix) for column in table.key_columns]
    columns = table.key_columns
    tuples = ", ".join(
        f"({', '.join(_clickhouse_literal(t, c.pg_type) for t, c in zip(key, columns, strict=True))})"
        for key in keys
    )
    return f"({', '.join(places)}) IN ({tuples})"


def postgres_value(text: str, pg: PgType) -> str:
    """The input of PostgreSQL's type that means the value with this canonical text."""
    plain = unframed(text, pg)
    return f"\\x{plain}" if pg.base == "bytea" else plain


def text_of(value: Any, pg: PgType) -> str:
    """The canonical text of a key's value that was read by `cdc.comparison.queries`."""
    text = str(value)
    if isinstance(value, Decimal):
        text = f"{value:f}"
        if trims_zeros(pg) and "." in text:
            text = text.rstrip("0").rstrip(".")
    elif isinstance(value, bool):
        text = text.lower()
    elif pg.base == "timestamp with time zone" and not text.endswith("infinity"):
        moment, era, _ = text.partition(" BC")
        text = f"{moment}+00{era}"
    return f"{len(text.encode())}:{text}" if is_framed(pg) else text


def unframed(text: str, pg: PgType) -> str:
    """A canonical text without the length before it."""
    return text.partition(":")[2] if is_framed(pg) else text


def _clickhouse_place(column: ColumnSpec, prefix: str) -> str:
    if column.pg_type.base in _BY_INDEX:
        return prefix + quote_ch(column.name)
    return clickhouse_text(column, nullable=False)


def _clickhouse_literal(text: str, pg: PgType) -> str:
    if pg.base in _INTEGERS or pg.base == "oid":
        return str(int(text))
    if pg.base == "uuid":
        return f"toUUID({quote_ch_string(text)})"
    if pg.base in _BY_INDEX:
        return quote_ch_string(unframed(text, pg))
    return quote_ch_string(text)


def _is_integer(key: Sequence[ColumnSpec]) -> bool:
    return len(key) == 1 and key[0].pg_type.base in _INTEGERS


def _joined(texts: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL("concat_ws('|', {})").format(sql.SQL(", ").join(texts))


def _among(bucket: sql.Composed, only: Collection[int]) -> sql.Composed:
    return sql.SQL("{} = ANY({}::bigint[])").format(bucket, sql.Literal(sorted(only)))
