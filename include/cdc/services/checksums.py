"""Lets the source and the sinks compute a table's checksums, all at once, and opens buckets that differ."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from cdc.comparison.checksums import (
    Bucket,
    Buckets,
    ClickHouseChecksums,
    PostgresChecksums,
    bucket_count,
    by_rows,
    differing,
)
from cdc.comparison.merge import SOURCE
from cdc.connections import Connections
from cdc.model.window import Window
from cdc.services.compare import clickhouse_rows, postgres_rows
from cdc.spec import ClickHouseSink, Pipeline, SinkSpec, TableSpec

Key = tuple[str, ...]
"""The canonical texts of a key's columns."""

OPENED_AT_ONCE = 256
"""Buckets whose rows are fetched in one go: at most their keys and hashes are in memory."""
_FEW = 16
_ROUNDS = 4


@dataclass(frozen=True)
class Scan:
    """What the checksums of a table found.

    Attributes:
        count: how many buckets the table has.
        rows: rows by side.
        differing: by sink, the buckets that differ after the last look at them.
        moved: rows of checksums that left the databases.
    """

    count: int
    rows: Mapping[str, int]
    differing: Mapping[str, set[int]]
    moved: int


class Checksums:
    """Checksums of one table on all sides.

    Args:
        sinks: the sinks to compare with the source.
        window: only rows whose event time lies in it.

    Attributes:
        opened_rows: keys with hashes that have left the databases.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        connections: Connections,
        table: TableSpec,
        sinks: Sequence[SinkSpec],
        window: Window | None = None,
    ) -> None:
        self._table = table
        self._postgres: dict[str, tuple[str, PostgresChecksums]] = {
            SOURCE: (
                pipeline.source.admin_connection,
                PostgresChecksums(table, (table.schema_name, table.table_name), derived=False, window=window),
            )
        }
        self._clickhouse: dict[str, tuple[str, ClickHouseChecksums]] = {}
        for sink in sinks:
            if isinstance(sink, ClickHouseSink):
                checksums = ClickHouseChecksums(table, sink.view(table.name), window=window)
                self._clickhouse[sink.name] = sink.connection, checksums
            else:
                made = PostgresChecksums(table, sink.view(table.name), derived=True, window=window)
                self._postgres[sink.name] = sink.connection, made
        self.opened_rows = 0
        self._sinks = [sink.name for sink in sinks]
        self._connections = connections

    def unsuited(self) -> str:
        """Why this table cannot be compared by checksums; empty when it can."""
        columns = by_rows(self._table)
        if columns:
            return f"columns {', '.join(columns)} have no text that all databases share"
        for name, (connection, _) in self._postgres.items():
            ((encoding,),) = self._ask_postgres(
                connection, sql.SQL("SELECT current_setting('server_encoding')")
            )
            if encoding != "UTF8":
                return f"{name} stores text in {encoding}, and hashes its bytes"
        return ""

    def scan(self) -> Scan:
        """Compute the buckets on every side, and those that differ again while that makes them fewer.

        What differs once may be a change that is under way.
        """
        count = bucket_count(self._estimate())
        sides = self._buckets(count, None)
        moved = sum(map(len, sides.values()))
        wanted = bucket_count(sum(b.rows for b in sides[SOURCE].values()))
        if wanted > 2 * count:  # the statistics were old, and its buckets would be too large to open
            count, sides = wanted, self._buckets(wanted, None)
            moved += sum(map(len, sides.values()))
        rows = {name: sum(b.rows for b in buckets.values()) for name, buckets in sides.items()}
        found = self._differing(sides)
        for _ in range(_ROUNDS):
            before = _union(found)
            if len(before) <= _FEW:
                break
            sides = self._buckets(count, before)
            moved += sum(map(len, sides.values()))
            again = self._differing(sides)
            found = {name: buckets & again[name] for name, buckets in found.items()}
            if len(_union(found)) > len(before) // 2:
                break
        return Scan(count, rows, found, moved)

    def open(self, scan: Scan) -> Iterator[dict[str, set[Key]]]:
        """By sink, the keys whose rows differ, of some buckets at a time."""
        every = sorted(_union(scan.differing))
        for at in range(0, len(every), OPENED_AT_ONCE):
            chunk = every[at : at + OPENED_AT_ONCE]
            sides = self._each(
                lambda checksums, chunk=chunk: checksums.rows(scan.count, chunk)  # type: ignore[misc]
            )
            self.opened_rows += sum(map(len, sides.values()))
            yield _differing_keys(
                {name: {tuple(r[:-2]): (r[-2], r[-1]) for r in rows} for name, rows in sides.items()}
            )

    def _differing(self, sides: Mapping[str, Buckets]) -> dict[str, set[int]]:
        return differing(sides[SOURCE], {name: sides[name] for name in self._sinks})

    def _estimate(self) -> int:
        name = sql.Literal(sql.Identifier(self._table.schema_name, self._table.table_name).as_string())
        # Of a partitioned table the leaves are counted; -1 means that nobody has counted yet.
        ((estimate,),) = self._ask_postgres(
            self._postgres[SOURCE][0],
            sql.SQL(
                "SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint FROM pg_class c WHERE c.oid = "
                "{0}::regclass OR c.oid IN (SELECT relid FROM pg_partition_tree({0}::regclass))"
            ).format(name),
        )
        return int(estimate)

    def _buckets(self, count: int, only: Collection[int] | None) -> dict[str, dict[int, Bucket]]:
        answers = self._each(lambda checksums: checksums.buckets(count, only))
        return {
            name: {int(b): Bucket(int(n), int(s), int(x), (int(ds), int(dx))) for b, n, s, x, ds, dx in rows}
            for name, rows in answers.items()
        }

    def _each(
        self, statement: Callable[[PostgresChecksums | ClickHouseChecksums], Any]
    ) -> dict[str, list[Sequence[Any]]]:
        """Every side at the same time: what changes meanwhile differs less."""
        with ThreadPoolExecutor(len(self._sinks) + 1) as pool:
            asked = {
                name: pool.submit(self._ask_postgres, connection, statement(checksums))
                for name, (connection, checksums) in self._postgres.items()
            } | {
                name: pool.submit(self._ask_clickhouse, connection, statement(checksums))
                for name, (connection, checksums) in self._clickhouse.items()
            }
            return {name: future.result() for name, future in asked.items()}

    def _ask_postgres(self, connection: str, query: sql.SQL | sql.Composed) -> list[Sequence[Any]]:
        with contextlib.ExitStack() as stack:
            return list(postgres_rows(stack, self._connections.get(connection), query))

    def _ask_clickhouse(self, connection: str, query: str) -> list[Sequence[Any]]:
        with contextlib.ExitStack() as stack:
            return list(clickhouse_rows(stack, self._connections.get(connection), query))


def _differing_keys(sides: Mapping[str, Mapping[Key, tuple[int, int]]]) -> dict[str, set[Key]]:
    source = sides[SOURCE]
    sinks = {name: rows for name, rows in sides.items() if name != SOURCE}
    found: dict[str, set[Key]] = {}
    for name, rows in sinks.items():
        found[name] = {k for k, (h, _) in rows.items() if k not in source or source[k][0] != h}
        found[name] |= source.keys() - rows.keys()
    for one in sinks.values():
        for other_name, other in sinks.items():
            found[other_name] |= {k for k, (_, d) in other.items() if k in one and one[k][1] != d}
    return found


def _union(buckets: Mapping[str, set[int]]) -> set[int]:
    every: set[int] = set()
    return every.union(*buckets.values())
