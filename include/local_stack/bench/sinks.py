"""How a sink's table is looked at: is a row there, and what does the whole table hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg

from local_stack.bench.shapes import Shape, clickhouse_text, postgres_text


class SinkTable(Protocol):
    """A table in a sink."""

    def seen(self, keys: Sequence[int]) -> set[int]:
        """Those of the keys whose rows are visible."""

    def beyond(self, first: int) -> set[int]:
        """The visible keys from `first` on."""

    def lines(self) -> Iterator[str]:
        """Every current row in its text form."""


@dataclass(frozen=True)
class ClickHouseTable:
    """A table in ClickHouse.

    Attributes:
        raw: the physical table, in which a row is looked for by its key.
        current: what to read the current rows from, and under which condition.
    """

    client: Any
    shape: Shape
    raw: str
    current: str

    def seen(self, keys: Sequence[int]) -> set[int]:
        """Look the keys up in the physical table, by its primary key."""
        wanted = ", ".join(map(str, keys))
        rows = self.client.query(f"SELECT id FROM {self.raw} WHERE id IN ({wanted})").result_rows
        return {row[0] for row in rows}

    def beyond(self, first: int) -> set[int]:
        """Read only the end of the primary key."""
        rows = self.client.query(f"SELECT id FROM {self.raw} WHERE id >= {first}").result_rows
        return {row[0] for row in rows}

    def lines(self) -> Iterator[str]:
        """Read block by block."""
        texts = ", ".join(map(clickhouse_text, self.shape.columns))
        query = f"SELECT concatWithSeparator('\\t', {texts}) FROM {self.current}"
        with self.client.query_row_block_stream(query) as stream:
            for block in stream:
                for row in block:
                    yield row[0]


@dataclass(frozen=True)
class PostgresTable:
    """A table in PostgreSQL, with the same attributes."""

    connection: psycopg.Connection[Any]
    shape: Shape
    raw: str
    current: str

    def seen(self, keys: Sequence[int]) -> set[int]:
        """Look the keys up by the primary key."""
        rows = self.connection.execute(f"SELECT id FROM {self.raw} WHERE id = ANY(%s)", (list(keys),))
        return {row[0] for row in rows.fetchall()}

    def beyond(self, first: int) -> set[int]:
        """Read the end of the primary key."""
        rows = self.connection.execute(f"SELECT id FROM {self.raw} WHERE id >= %s", (first,))
        return {row[0] for row in rows.fetchall()}

    def lines(self) -> Iterator[str]:
        """COPY, whose text form needs no escapes for these values but for the separator."""
        texts = ", ".join(map(postgres_text, self.shape.columns))
        query = f"COPY (SELECT concat_ws(chr(9), {texts}) FROM {self.current}) TO STDOUT (FORMAT csv)"
        with self.connection.cursor().copy(query) as copy:
            rest = b""
            for data in copy:
                *whole, rest = (rest + bytes(data)).split(b"\n")
                for line in whole:
                    yield line.decode().strip('"')
