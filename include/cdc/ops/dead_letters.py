"""Dead letters: events that were not written, kept so that they can be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from cdc.ops.base import OpsDatabase
from cdc.ops.records import DeadLetter

# An event that fails again is open again, even after a replay: the sink may have been made anew since. One
# that a person has given up stays so.
_INSERT = """
    INSERT INTO cdc_ops.dead_letters (pipeline, stream, sink, query, "table", topic, generation, partition,
      "offset", event_timestamp, key, value, headers, error_class, message)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (query, topic, generation, partition, "offset") DO UPDATE
      SET error_class = excluded.error_class, message = excluded.message, failed_at = now(),
        replayed_at = CASE WHEN dead_letters.discarded <> '' THEN dead_letters.replayed_at END
"""
_FILTER = (
    'pipeline = %(pipeline)s AND (%(table)s::text IS NULL OR "table" = %(table)s) '
    "AND (%(sink)s::text IS NULL OR sink = %(sink)s) AND (NOT %(open)s OR replayed_at IS NULL)"
)
_DONE = (
    "FROM unnest(%s::text[], %s::text[], %s::int[], %s::int[], %s::bigint[]) "
    "AS done (query, topic, generation, place, at) "
    "WHERE letter.query = done.query AND letter.topic = done.topic AND letter.generation = done.generation "
    'AND letter.partition = done.place AND letter."offset" = done.at AND letter.replayed_at IS NULL'
)
Place = tuple[int, int, int]
"""Generation, partition and offset."""


class DeadLetterStore(OpsDatabase):
    """Events that wait for a person."""

    def add_dead_letters(self, rows: Sequence[DeadLetter]) -> None:
        """Keep events; the same coordinates again change nothing but the error, and open them again.

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
            f"SELECT * FROM cdc_ops.dead_letters WHERE {_FILTER} "  # noqa: S608 no value is in it
            'ORDER BY topic, generation, partition, "offset", sink LIMIT %(limit)s',
            {"pipeline": pipeline, "table": table, "sink": sink, "open": only_open, "limit": limit},
        )
        return [_letter(row) for row in rows]

    def dead_letters_at(self, pipeline: str, topic: str, partition: int, offset: int) -> list[DeadLetter]:
        """The dead letters of one event, open or not: one for each sink that could not take it."""
        rows = self.rows(
            "SELECT * FROM cdc_ops.dead_letters WHERE pipeline = %s AND topic = %s AND partition = %s "
            'AND "offset" = %s ORDER BY generation, sink',
            (pipeline, topic, partition, offset),
        )
        return [_letter(row) for row in rows]

    def replayable(
        self, pipeline: str, table: str, sink: str, topic: str, *, after: Place, limit: int
    ) -> list[DeadLetter]:
        """The next open dead letters of a table in a sink, in order, all of one generation."""
        rows = self.rows(
            'SELECT * FROM cdc_ops.dead_letters WHERE pipeline = %s AND "table" = %s AND sink = %s '
            'AND topic = %s AND replayed_at IS NULL AND (generation, partition, "offset") > (%s, %s, %s) '
            'ORDER BY generation, partition, "offset" LIMIT %s',
            (pipeline, table, sink, topic, *after, limit),
        )
        return [_letter(row) for row in rows if row["generation"] == rows[0]["generation"]]

    def open_dead_letters(self, pipeline: str, table: str, sink: str) -> int:
        """How many were not replayed."""
        return self.count_dead_letters(pipeline, table, sink).get((table, sink), 0)

    def open_keys(self, pipeline: str, table: str, sink: str) -> list[bytes | None]:
        """The Kafka keys of the events that were not replayed; those that were given up with a key too.

        What such an event has said is in no sink, whether or not somebody still waits for it.
        """
        rows = self.rows(
            "SELECT DISTINCT key FROM cdc_ops.dead_letters "
            'WHERE pipeline = %s AND "table" = %s AND sink = %s '
            "AND (replayed_at IS NULL OR (discarded <> '' AND key IS NOT NULL))",
            (pipeline, table, sink),
        )
        return [None if row["key"] is None else bytes(row["key"]) for row in rows]

    def open_places(self, pipeline: str, table: str, sink: str) -> list[Place]:
        """Where the events lie that were not replayed."""
        rows = self.rows(
            'SELECT generation, partition, "offset" FROM cdc_ops.dead_letters '
            'WHERE pipeline = %s AND "table" = %s AND sink = %s AND replayed_at IS NULL',
            (pipeline, table, sink),
        )
        return [(row["generation"], row["partition"], row["offset"]) for row in rows]

    def count_dead_letters(
        self, pipeline: str, table: str | None = None, sink: str | None = None, *, only_open: bool = True
    ) -> dict[tuple[str, str], int]:
        """How many there are, by table and sink; a table without any is left out."""
        rows = self.rows(
            f'SELECT "table", sink, count(*) AS n FROM cdc_ops.dead_letters WHERE {_FILTER} '  # noqa: S608
            'GROUP BY "table", sink ORDER BY "table", sink',
            {"pipeline": pipeline, "table": table, "sink": sink, "open": only_open},
        )
        return {(row["table"], row["sink"]): int(row["n"]) for row in rows}

    def span_of_dead_letters(self, pipeline: str) -> tuple[datetime | None, str]:
        """When the first of those that are open failed, and what the newest says."""
        row = self.one(
            "SELECT min(failed_at) AS since, (array_agg(left(message, 200) ORDER BY failed_at DESC))[1] AS "
            "newest FROM cdc_ops.dead_letters WHERE pipeline = %s AND replayed_at IS NULL",
            (pipeline,),
        )
        return (row["since"], row["newest"] or "") if row else (None, "")

    def mark_replayed(self, letters: Sequence[DeadLetter], since: datetime) -> int:
        """Dead letters were written to their sink after all, but for those that have failed since then.

        Args:
            letters: what a replay has handed to the sink, and the sink has acknowledged.
            since: when the replay of these began, by `clock`.

        Returns:
            How many are marked now.
        """
        marked = self.rows(
            "WITH marked AS (UPDATE cdc_ops.dead_letters AS letter SET replayed_at = now() "  # noqa: S608
            f"{_DONE} AND letter.failed_at < %s RETURNING 1) SELECT count(*) AS n FROM marked",
            (*_coordinates(letters), since),
        )
        return int(marked[0]["n"])

    def discard_dead_letters(self, letters: Sequence[DeadLetter], reason: str) -> list[DeadLetter]:
        """Give events up.

        Args:
            letters: what a person has seen; those that were closed meanwhile stay as they are.
            reason: why, for whoever looks later; not empty.

        Returns:
            The dead letters that were open and are closed now.
        """
        rows = self.rows(
            "UPDATE cdc_ops.dead_letters AS letter SET replayed_at = now(), discarded = %s "  # noqa: S608
            f"{_DONE} RETURNING letter.*",
            (reason, *_coordinates(letters)),
        )
        return [_letter(row) for row in rows]

    def discard_dead_letters_of(self, pipeline: str, table: str, reason: str) -> dict[tuple[str, str], int]:
        """Give up every open event of a table, in every sink.

        Returns:
            How many are closed now, by table and sink.
        """
        rows = self.rows(
            "WITH closed AS (UPDATE cdc_ops.dead_letters SET replayed_at = now(), discarded = %s "
            'WHERE pipeline = %s AND "table" = %s AND replayed_at IS NULL RETURNING sink) '
            "SELECT sink, count(*) AS n FROM closed GROUP BY sink ORDER BY sink",
            (reason, pipeline, table),
        )
        return {(table, row["sink"]): int(row["n"]) for row in rows}

    def clock(self) -> datetime:
        """The store's clock, the only one that its times are compared with."""
        row = self.one("SELECT clock_timestamp() AS now")
        if row is None:
            raise AssertionError("SELECT clock_timestamp() returned no row")
        now: datetime = row["now"]
        return now


def _values(row: DeadLetter) -> tuple[Any, ...]:
    coordinates = (
        row.pipeline,
        row.stream,
        row.sink,
        row.query,
        row.table,
        row.topic,
        row.generation,
        row.partition,
        row.offset,
    )
    headers = Jsonb([list(header) for header in row.headers])
    # PostgreSQL's text holds no NUL, and a message may quote the event.
    message = row.message.replace("\x00", "\\0")
    return (*coordinates, row.timestamp, row.key, row.value, headers, row.error_class, message)


def _coordinates(letters: Sequence[DeadLetter]) -> tuple[list[Any], ...]:
    return (
        [letter.query for letter in letters],
        [letter.topic for letter in letters],
        [letter.generation for letter in letters],
        [letter.partition for letter in letters],
        [letter.offset for letter in letters],
    )


def _letter(row: DictRow) -> DeadLetter:
    values = dict(row)
    return DeadLetter(timestamp=values.pop("event_timestamp"), **values)
