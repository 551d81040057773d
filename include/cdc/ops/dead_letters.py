"""Dead letters and parked tables: what was not written, kept so that it can be."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from cdc.model.parking import ParkedTable, merged
from cdc.ops.base import OpsDatabase
from cdc.ops.records import DeadLetter

_INSERT = """
    INSERT INTO cdc_ops.dead_letters (pipeline, stream, sink, query, "table", topic, partition, "offset",
      event_timestamp, key, value, headers, error_class, message)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (query, topic, partition, "offset") DO UPDATE
      SET error_class = excluded.error_class, message = excluded.message
"""


class DeadLetterStore(OpsDatabase):
    """Events and tables that wait for a person."""

    def add_dead_letters(self, rows: Sequence[DeadLetter]) -> None:
        """Keep events; the same coordinates again change nothing but the message.

        Raises:
            UnavailableError: the ops store does not answer; the batch must fail then.
        """
        if not rows:
            return
        with self.transaction() as connection, connection.cursor() as cursor:
            cursor.executemany(_INSERT, [_values(row) for row in rows])

    def dead_letters(
        self,
        pipeline: str,
        table: str | None = None,
        sink: str | None = None,
        *,
        only_open: bool = True,
        limit: int = 1000,
    ) -> list[DeadLetter]:
        """Dead letters in the order of their coordinates."""
        rows = self.rows(
            "SELECT * FROM cdc_ops.dead_letters WHERE pipeline = %(pipeline)s "
            'AND (%(table)s::text IS NULL OR "table" = %(table)s) '
            "AND (%(sink)s::text IS NULL OR sink = %(sink)s) AND (NOT %(open)s OR replayed_at IS NULL) "
            'ORDER BY topic, partition, "offset", sink LIMIT %(limit)s',
            {"pipeline": pipeline, "table": table, "sink": sink, "open": only_open, "limit": limit},
        )
        return [_letter(row) for row in rows]

    def open_dead_letters(self, pipeline: str, table: str, sink: str) -> int:
        """How many were not replayed."""
        row = self.one(
            "SELECT count(*) AS n FROM cdc_ops.dead_letters "
            'WHERE pipeline = %s AND "table" = %s AND sink = %s AND replayed_at IS NULL',
            (pipeline, table, sink),
        )
        return int(row["n"]) if row else 0

    def keys_with_dead_letters(
        self, pipeline: str, table: str, sink: str, keys: Collection[bytes]
    ) -> frozenset[bytes]:
        """Those of these Kafka keys whose events include one that was not replayed."""
        rows = self.rows(
            "SELECT DISTINCT key FROM cdc_ops.dead_letters WHERE pipeline = %s "
            'AND "table" = %s AND sink = %s AND replayed_at IS NULL AND key = ANY(%s)',
            (pipeline, table, sink, list(keys)),
        )
        return frozenset(bytes(row["key"]) for row in rows)

    def mark_replayed(self, query: str, topic: str, partition: int, offset: int) -> None:
        """A dead letter was written to its sink after all."""
        self.rows(
            "UPDATE cdc_ops.dead_letters SET replayed_at = now() "
            'WHERE query = %s AND topic = %s AND partition = %s AND "offset" = %s',
            (query, topic, partition, offset),
        )

    def park(self, pipeline: str, table: str, sink: str, reason: str, offsets: Mapping[int, int]) -> None:
        """Park a table in a sink; parked again, it keeps its earliest offsets."""
        wanted = ParkedTable(table, sink, reason, offsets)
        with self.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"{pipeline}/{table}/{sink}",))
            row = connection.execute(
                'SELECT "table", sink, reason, offsets FROM cdc_ops.parked '
                'WHERE pipeline = %s AND "table" = %s AND sink = %s',
                (pipeline, table, sink),
            ).fetchone()
            kept = merged(_parked(row), wanted) if row else wanted
            connection.execute(
                'INSERT INTO cdc_ops.parked (pipeline, "table", sink, reason, offsets) '
                "VALUES (%s, %s, %s, %s, %s) "
                'ON CONFLICT (pipeline, "table", sink) DO UPDATE '
                "SET reason = excluded.reason, offsets = excluded.offsets",
                (pipeline, table, sink, reason, Jsonb(kept.offsets)),
            )

    def parked(self, pipeline: str, sink: str | None = None) -> list[ParkedTable]:
        """The parked tables of a pipeline, or of one of its sinks."""
        rows = self.rows(
            'SELECT "table", sink, reason, offsets FROM cdc_ops.parked WHERE pipeline = %(pipeline)s '
            'AND (%(sink)s::text IS NULL OR sink = %(sink)s) ORDER BY "table", sink',
            {"pipeline": pipeline, "sink": sink},
        )
        return [_parked(row) for row in rows]

    def resume(self, pipeline: str, table: str, sink: str) -> ParkedTable | None:
        """Take a table out of parking; returns what has to be read again, or None when it was not parked."""
        row = self.one(
            'DELETE FROM cdc_ops.parked WHERE pipeline = %s AND "table" = %s AND sink = %s '
            'RETURNING "table", sink, reason, offsets',
            (pipeline, table, sink),
        )
        return _parked(row) if row else None


def _values(row: DeadLetter) -> tuple[Any, ...]:
    coordinates = (
        row.pipeline,
        row.stream,
        row.sink,
        row.query,
        row.table,
        row.topic,
        row.partition,
        row.offset,
    )
    headers = Jsonb([list(header) for header in row.headers])
    # PostgreSQL's text holds no NUL, and a message may quote the event.
    message = row.message.replace("\x00", "\\0")
    return (*coordinates, row.timestamp, row.key, row.value, headers, row.error_class, message)


def _letter(row: DictRow) -> DeadLetter:
    values = dict(row)
    return DeadLetter(timestamp=values.pop("event_timestamp"), **values)


def _parked(row: DictRow) -> ParkedTable:
    offsets = {int(partition): offset for partition, offset in row["offsets"].items()}
    return ParkedTable(row["table"], row["sink"], row["reason"], offsets)
