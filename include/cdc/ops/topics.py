"""Topics and generations, truncate floors, and what `cdc apply` has done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from cdc.model.generations import GenerationEntry, Generations, TopicIdentity, check_topic, raised
from cdc.ops.base import OpsDatabase
from cdc.ops.records import AppliedTable


class TopicStore(OpsDatabase):
    """The lives of topics, and the records that apply and maintenance keep."""

    def topic_identity(self, topic: str) -> TopicIdentity | None:
        """The topic as it was recorded."""
        row = self.one("SELECT topic, topic_id, partitions FROM cdc_ops.topics WHERE topic = %s", (topic,))
        return TopicIdentity(**row) if row else None

    def record_topic(self, topic: str, topic_id: str, partitions: int) -> None:
        """Record a topic with its first generation; recorded the same way before, nothing changes.

        Raises:
            GenerationError: it is recorded with another id or partition count.
        """
        actual = TopicIdentity(topic, topic_id, partitions)
        with self.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (topic,))
            before = _entries(connection, [topic])
            if before:
                check_topic(self.topic_identity(topic), actual)
                return
            _record(connection, actual, raised((), actual, {}))

    def raise_generation(self, actual: TopicIdentity, ends: Mapping[int, int]) -> int:
        """Begin a topic's next generation at the partitions' end offsets; returns it.

        The caller has stopped the connector and drained the streams. Of a topic that was made anew nobody
        has read anything, whatever offsets of the one before a query has reported.
        """
        with self.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (actual.topic,))
            before = _entries(connection, [actual.topic])
            entries = raised(before, actual, dict(ends))
            _record(connection, actual, entries)
            if actual.topic_id not in {entry.topic_id for entry in before}:
                connection.execute(
                    "UPDATE cdc_ops.progress SET until_offsets = until_offsets - %(topic)s, "
                    "end_offsets = end_offsets - %(topic)s WHERE until_offsets ? %(topic)s",
                    {"topic": actual.topic},
                )
        return entries[0].generation

    def generations(self, topics: Iterable[str]) -> Generations:
        """The generations of these topics."""
        with self.transaction() as connection:
            return Generations.from_entries(_entries(connection, list(topics)))

    def record_truncate(self, pipeline: str, table: str, generation: int, lsn: int) -> None:
        """Keep a truncate floor."""
        self.rows(
            'INSERT INTO cdc_ops.truncate_floors (pipeline, "table", generation, lsn) '
            "VALUES (%s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            (pipeline, table, generation, lsn),
        )

    def truncate_floor(self, pipeline: str, table: str) -> tuple[int, int] | None:
        """The highest (generation, LSN) floor of a table."""
        row = self.one(
            'SELECT generation, lsn FROM cdc_ops.truncate_floors WHERE pipeline = %s AND "table" = %s '
            "ORDER BY generation DESC, lsn DESC LIMIT 1",
            (pipeline, table),
        )
        return (row["generation"], row["lsn"]) if row else None

    def record_applied(
        self, pipeline: str, table: str, columns: Sequence[Mapping[str, Any]], at: datetime
    ) -> None:
        """Remember a table's columns as they were made in the sinks."""
        self.rows(
            'INSERT INTO cdc_ops.applied_tables (pipeline, "table", columns, applied_at) '
            "VALUES (%s, %s, %s, %s) "
            'ON CONFLICT (pipeline, "table") DO UPDATE '
            "SET columns = excluded.columns, applied_at = excluded.applied_at",
            (pipeline, table, Jsonb(list(columns)), at),
        )

    def applied_tables(self, pipeline: str) -> dict[str, AppliedTable]:
        """What was applied, by the table's name in the sinks."""
        statement = 'SELECT "table", columns, applied_at FROM cdc_ops.applied_tables WHERE pipeline = %s'
        return {row["table"]: AppliedTable(**row) for row in self.rows(statement, (pipeline,))}

    def record_snapshot(self, pipeline: str, source: str, kind: str) -> None:
        """Remember that a table's existing rows were asked for; the first record stays."""
        self.rows(
            "INSERT INTO cdc_ops.snapshots (pipeline, source, kind) VALUES (%s, %s, %s) "
            "ON CONFLICT (pipeline, source) DO NOTHING",
            (pipeline, source, kind),
        )

    def forget_snapshot(self, pipeline: str, source: str) -> None:
        """Forget that a table's existing rows were asked for."""
        self.rows("DELETE FROM cdc_ops.snapshots WHERE pipeline = %s AND source = %s", (pipeline, source))

    def captured_since(self, pipeline: str) -> dict[str, datetime]:
        """By source table, when its existing rows were asked for: since then it is captured."""
        statement = "SELECT source, requested_at FROM cdc_ops.snapshots WHERE pipeline = %s"
        return {row["source"]: row["requested_at"] for row in self.rows(statement, (pipeline,))}

    def snapshotted(self, pipeline: str) -> set[str]:
        """The source tables whose existing rows were asked for."""
        rows = self.rows("SELECT source FROM cdc_ops.snapshots WHERE pipeline = %s", (pipeline,))
        return {row["source"] for row in rows}


def _entries(connection: Connection[DictRow], topics: list[str]) -> tuple[GenerationEntry, ...]:
    statement = (
        "SELECT topic, topic_id, partition, from_offset, generation FROM cdc_ops.generations WHERE topic = "
        "ANY(%s)"
    )
    return tuple(GenerationEntry(**row) for row in connection.execute(statement, (topics,)).fetchall())


def _record(
    connection: Connection[DictRow], actual: TopicIdentity, entries: Sequence[GenerationEntry]
) -> None:
    connection.execute(
        "INSERT INTO cdc_ops.topics (topic, topic_id, partitions) VALUES (%s, %s, %s) ON CONFLICT (topic) "
        "DO UPDATE SET topic_id = excluded.topic_id, partitions = excluded.partitions, recorded_at = now()",
        (actual.topic, actual.topic_id, actual.partitions),
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO cdc_ops.generations (topic, topic_id, partition, from_offset, generation) "
            "VALUES (%s, %s, %s, %s, %s)",
            [(e.topic, e.topic_id, e.partition, e.from_offset, e.generation) for e in entries],
        )
