"""Prepares the repair of proven differences: where each key lives in the topic, and what is in the way."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg import sql

from cdc.comparison.canonical import clickhouse_text, postgres_text
from cdc.comparison.checksums import unframed
from cdc.connections import Connections
from cdc.ddl.clickhouse import raw_name as clickhouse_raw
from cdc.ddl.warehouse import raw_name as warehouse_raw
from cdc.errors import UnsupportedSourceError
from cdc.model.keybytes import key_bytes
from cdc.model.partitioner import misplaced, partition_of
from cdc.ops import OpsStore, Repair
from cdc.services.checksums import Key
from cdc.services.compare import clickhouse_rows, postgres_rows
from cdc.services.confirm import Confirmed
from cdc.services.fences import Fences
from cdc.services.rows_by_key import RowsByKey
from cdc.spec import ClickHouseSink, Pipeline, SinkSpec, TableSpec

SAMPLE = 2_000
"""Stored keys that have to lie where the partitioner says."""
_AT_ONCE = 5_000


class Repairs:
    """Repairs of one table.

    How it works: the version of a repair counts the offsets of the key's own partition, so the partition is
    computed as Kafka's producer does, from the key as Debezium writes it. Both are proven by rows that the
    stream has stored: each came from the partition that is computed for its key.

    What it does not do: guess. A table without that proof is refused, and an incremental snapshot mends it.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        connections: Connections,
        ops: OpsStore,
        table: TableSpec,
        rows: RowsByKey,
        fences: Fences,
    ) -> None:
        self._pipeline, self._connections, self._ops = pipeline, connections, ops
        self._table, self._rows, self._fences = table, rows, fences
        self._forms = [(column.name, column.pg_type.kind.form) for column in table.key_columns]

    def ask(
        self, run: UUID, sinks: Sequence[SinkSpec], confirmed: Mapping[str, Mapping[Key, Confirmed]]
    ) -> int:
        """Leave the keys for the bounded run, and remove rows that a repair would not win over.

        Raises:
            UnsupportedSourceError: nothing proves which partition a key lives in.
        """
        partitions = len(self._fences.ends())
        self._prove(sinks, partitions, set().union(*confirmed.values()))
        repairs = [
            Repair(self._table.name, sink, encoded, partition_of(encoded, partitions))
            for sink, found in confirmed.items()
            for key in found
            for encoded in [self._encoded(key)]
            if encoded is not None
        ]
        if len(repairs) != sum(map(len, confirmed.values())):
            raise self._refusal("some keys have no plain form")
        for sink in sinks:
            found = confirmed.get(sink.name, {})
            foreign = {key: item.foreign for key, item in found.items() if item.foreign is not None}
            self._rows.delete(sink, foreign)
        for at in range(0, len(repairs), _AT_ONCE):
            self._ops.ask_repairs(run, self._pipeline.name, repairs[at : at + _AT_ONCE])
        return len(repairs)

    def _encoded(self, key: Key) -> bytes | None:
        texts = [unframed(t, c.pg_type) for t, c in zip(key, self._table.key_columns, strict=True)]
        return key_bytes(self._forms, texts)

    def _prove(self, sinks: Sequence[SinkSpec], partitions: int, suspects: set[Key]) -> None:
        """Rows that the stream has stored must lie where they are computed to be."""
        generations = self._fences.generations().for_topic(self._fences.topic)
        newest = max(generation for steps in generations.values() for _, generation in steps)
        proofs = 0
        for sink in sinks:
            stored: dict[bytes, int] = {}
            doubtful: set[bytes] = set()
            for *texts, partition in self._sample(sink, newest):
                encoded = self._encoded(tuple(texts))
                if encoded is None:
                    raise self._refusal("its keys have no plain form")
                stored[encoded] = int(partition)
                if tuple(texts) in suspects:
                    doubtful.add(encoded)
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
            raise self._refusal("no sink has a row of it that the stream wrote")

    def _sample(self, sink: SinkSpec, generation: int) -> list[Sequence[Any]]:
        """Keys and partitions of rows that came from the topic as it is now, or were repaired since."""
        columns = self._table.key_columns
        connection = self._connections.get(sink.connection)
        with contextlib.ExitStack() as stack:
            if isinstance(sink, ClickHouseSink):
                texts = ", ".join(clickhouse_text(column, nullable=False) for column in columns)
                query = (
                    f"SELECT {texts}, _partition FROM {clickhouse_raw(sink, self._table)} FINAL "  # noqa: S608
                    f"WHERE _generation = {generation} LIMIT {SAMPLE}"
                )
                return list(clickhouse_rows(stack, connection, query))
            composed = sql.SQL("SELECT {}, _partition FROM {} WHERE _generation = {} LIMIT {}").format(
                sql.SQL(", ").join(map(postgres_text, columns)),
                warehouse_raw(sink, self._table),
                generation,
                SAMPLE,
            )
            return list(postgres_rows(stack, connection, composed))

    def _refusal(self, why: str) -> UnsupportedSourceError:
        signal = self._pipeline.source.signal_table
        return UnsupportedSourceError(
            f"{self._table.source} cannot be repaired row by row: {why}, so nothing proves which partition a "
            "key lives in and a repair could hide later changes. Read the rows again by an incremental "
            f"snapshot instead: a row of type execute-snapshot in {signal}, with a condition that names them"
        )
