"""Where the keys of a table live in its topic, computed and proven by rows that the stream has stored."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence, Set
from typing import Any

from psycopg import sql

from cdc.comparison.canonical import clickhouse_text, postgres_text
from cdc.comparison.checksums import unframed
from cdc.connections import Connections
from cdc.ddl.clickhouse import raw_name as clickhouse_raw
from cdc.ddl.warehouse import raw_name as warehouse_raw
from cdc.errors import UnsupportedSourceError
from cdc.model.keybytes import key_bytes
from cdc.model.partitioner import misplaced, partition_of
from cdc.services.checksums import Key
from cdc.services.compare import clickhouse_rows, postgres_rows
from cdc.services.fences import Fences
from cdc.spec import ClickHouseSink, ColumnSpec, SinkSpec, TableSpec

SAMPLE = 2_000
"""Stored keys that have to lie where the partitioner says."""


def encoded(key: Key, columns: Sequence[ColumnSpec]) -> bytes | None:
    """A key, given by canonical texts, as Debezium writes it; None when it has no plain form."""
    texts = []
    for text, column in zip(key, columns, strict=True):
        pg, plain = column.pg_type, unframed(text, column.pg_type)
        if pg.base == "character":
            # The text is without the padding, and only a declared length tells how much there was.
            if not pg.args:
                return None
            plain = plain.ljust(pg.args[0])
        texts.append(plain)
    return key_bytes([(column.name, column.pg_type.kind.form) for column in columns], texts)


class KeyPlaces:
    """The places of one table's keys.

    How it works: the version of a repair counts the offsets of the key's own partition, so the partition is
    computed as Kafka's producer does, from the key as Debezium writes it. Both are proven by rows that the
    stream has stored: each came from the partition that is computed for its key. A topic that never had an
    event needs no proof: all its partitions end at 0, so a repair has the same version in each.

    What it does not do: guess. A table without that proof is refused, and a snapshot mends it.
    """

    def __init__(self, connections: Connections, table: TableSpec, fences: Fences) -> None:
        self._connections, self._table, self._fences = connections, table, fences

    def placed(self, keys: Iterable[Key]) -> list[tuple[bytes, int]]:
        """Each key as Kafka has it, and its partition.

        Raises:
            UnsupportedSourceError: a key has no plain form.
        """
        partitions, found = len(self._fences.ends()), []
        for key in keys:
            made = encoded(key, self._table.key_columns)
            if made is None:
                raise self._refusal("some keys have no plain form")
            found.append((made, partition_of(made, partitions)))
        return found

    def prove(self, sinks: Sequence[SinkSpec], suspects: Set[Key] = frozenset()) -> None:
        """Rows that the stream has stored must lie where they are computed to be.

        Args:
            sinks: whose rows are looked at.
            suspects: keys of rows that may have been written by anybody.

        Raises:
            UnsupportedSourceError: they do not, or there are none.
        """
        ends = self._fences.ends()
        if not any(ends.values()):
            return
        partitions = len(ends)
        generations = self._fences.generations().for_topic(self._fences.topic)
        known = [generation for steps in generations.values() for _, generation in steps]
        newest, proofs = max(known), 0
        for sink in sinks:
            stored: dict[bytes, int] = {}
            doubtful: set[bytes] = set()
            # A build that was broken off has begun a generation and left the rows of those before: the same
            # topic's, so they prove it as well.
            for *texts, partition in self._sample(sink, newest) or self._sample(sink, min(known)):
                made = encoded(tuple(texts), self._table.key_columns)
                if made is None:
                    raise self._refusal("its keys have no plain form")
                stored[made] = int(partition)
                if tuple(texts) in suspects:
                    doubtful.add(made)
            wrong = misplaced(stored.items(), partitions)
            # A row that differs may have been written by anybody, so where it lies says nothing against.
            against = [item for item in wrong if item[0] not in doubtful]
            if against:
                key, partition = against[0]
                computed = partition_of(key, partitions)
                raise self._refusal(
                    f"key {key.decode()} is stored from partition {partition}, computed is {computed}"
                )
            proofs += len(stored) - len(wrong)
        if not proofs:
            raise self._refusal(
                "no sink has a row of it that the stream wrote (after a resync or a rebuild the first event "
                "of any row gives one)"
            )

    def _sample(self, sink: SinkSpec, since: int) -> list[Sequence[Any]]:
        """Keys and partitions of rows that came from the topic since this generation, or were repaired since.

        Rows that a resync or a rebuild has filled from the source came from no partition and prove nothing,
        nor do those that were repaired before the topic had an event, or for an event of an earlier
        generation, which may have lain elsewhere: a version without an offset tells all of them.
        """
        columns = self._table.key_columns
        chosen = f"_generation >= {int(since)} AND _version % {2**48} > 1"
        connection = self._connections.get(sink.connection)
        with contextlib.ExitStack() as stack:
            if isinstance(sink, ClickHouseSink):
                texts = ", ".join(clickhouse_text(column, nullable=False) for column in columns)
                query = (
                    f"SELECT {texts}, _partition FROM {clickhouse_raw(sink, self._table)} FINAL "  # noqa: S608
                    f"WHERE {chosen} LIMIT {SAMPLE}"
                )
                return list(clickhouse_rows(stack, connection, query))
            composed = sql.SQL("SELECT {}, _partition FROM {} WHERE {} LIMIT {}").format(
                sql.SQL(", ").join(map(postgres_text, columns)),
                warehouse_raw(sink, self._table),
                sql.SQL(chosen),
                SAMPLE,
            )
            return list(postgres_rows(stack, connection, composed))

    def _refusal(self, why: str) -> UnsupportedSourceError:
        return UnsupportedSourceError(
            f"{self._table.source} cannot be repaired row by row: {why}, so nothing proves which partition a "
            "key lives in and a repair could hide later changes. Have Debezium read the rows again instead: "
            f"`cdc backfill {self._table.name} --method snapshot`, with a condition that names them"
        )
