"""Changes that are known to be missing in a sink, until its rows were compared with the source's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from psycopg.types.json import Jsonb

from cdc.ops.base import OpsDatabase


class GapStore(OpsDatabase):
    """Of each table in each sink: from which LSN on it has every change, and why not from before."""

    def record_gap(self, pipeline: str, table: str, sinks: Iterable[str], lsn: int, reason: str) -> None:
        """Changes of a table below `lsn` are in no log any more; found again, the gap reaches further.

        Args:
            pipeline: the pipeline.
            table: its name in the sinks.
            sinks: those that lack the changes.
            lsn: a position at or after the last change that is missing, and before the first that is not
                written yet; 0 where rows of before cannot be mistaken for later ones.
            reason: what has happened, and what to do.
        """
        self.rows(
            'INSERT INTO cdc_ops.gaps AS known (pipeline, "table", sink, lsn, reason) '
            "SELECT %s, %s, unnest(%s::text[]), %s, %s "
            'ON CONFLICT (pipeline, "table", sink) DO UPDATE SET lsn = greatest(known.lsn, excluded.lsn), '
            "reason = excluded.reason, found_at = clock_timestamp(), closed_at = NULL RETURNING 1",
            (pipeline, table, list(sinks), lsn, reason),
        )

    def record_reread(self, pipeline: str, table: str, sinks: Iterable[str], lsn: int) -> None:
        """Rows of a table are read again at `lsn`, so those of before may be wrong; no change is missing."""
        self.rows(
            'INSERT INTO cdc_ops.gaps AS known (pipeline, "table", sink, lsn, closed_at) '
            "SELECT %s, %s, unnest(%s::text[]), %s, clock_timestamp() "
            'ON CONFLICT (pipeline, "table", sink) DO UPDATE SET lsn = greatest(known.lsn, excluded.lsn) '
            "RETURNING 1",
            (pipeline, table, list(sinks), lsn),
        )

    def reopen_gaps(self, pipeline: str, table: str) -> None:
        """An earlier table is back in every sink, which may lack what was mended in the later one."""
        self.rows(
            "UPDATE cdc_ops.gaps SET closed_at = NULL, found_at = clock_timestamp() "
            'WHERE pipeline = %s AND "table" = %s AND reason <> %s RETURNING 1',
            (pipeline, table, ""),
        )

    def open_gaps(self, pipeline: str) -> dict[tuple[str, str], str]:
        """Why changes are missing, by table and sink."""
        rows = self.rows(
            'SELECT "table", sink, reason FROM cdc_ops.gaps WHERE pipeline = %s AND closed_at IS NULL',
            (pipeline,),
        )
        return {(row["table"], row["sink"]): row["reason"] for row in rows}

    def trusted_from(self, pipeline: str, sink: str) -> dict[str, int]:
        """By table, the LSN below which a sink's row may be older than it looks."""
        rows = self.rows(
            'SELECT "table", lsn FROM cdc_ops.gaps WHERE pipeline = %s AND sink = %s', (pipeline, sink)
        )
        return {row["table"]: row["lsn"] for row in rows}

    def close_gaps(self, pipeline: str, table: str, sinks: Iterable[str], before: datetime) -> list[str]:
        """Rows that were read after `before` are in these sinks, deletes included.

        Returns:
            The sinks that had a gap.
        """
        rows = self.rows(
            "UPDATE cdc_ops.gaps SET closed_at = clock_timestamp() "
            'WHERE pipeline = %s AND "table" = %s AND sink = ANY(%s) AND found_at < %s '
            "AND closed_at IS NULL RETURNING sink",
            (pipeline, table, list(sinks), before),
        )
        return sorted(row["sink"] for row in rows)

    def first_snapshot(self, pipeline: str, topic_id: str) -> tuple[int | None, dict[int, int]]:
        """The LSN of the last first snapshot that was seen, and up to where its topic was read.

        The LSN is None when none was seen since one was asked for; a topic of another id was not read yet.
        """
        statement = "SELECT topic_id, until_offsets, lsn FROM cdc_ops.first_snapshots WHERE pipeline = %s"
        row = self.one(statement, (pipeline,))
        if row is None:
            return None, {}
        read = row["until_offsets"] if row["topic_id"] == topic_id else {}
        return row["lsn"], {int(partition): offset for partition, offset in read.items()}

    def record_first_snapshot(
        self, pipeline: str, topic_id: str, lsn: int | None, until: Mapping[int, int]
    ) -> None:
        """Remember what `first_snapshot` tells."""
        self.rows(
            "INSERT INTO cdc_ops.first_snapshots (pipeline, topic_id, until_offsets, lsn) "
            "VALUES (%s, %s, %s, %s) ON CONFLICT (pipeline) DO UPDATE SET topic_id = excluded.topic_id, "
            "until_offsets = excluded.until_offsets, lsn = excluded.lsn",
            (pipeline, topic_id, Jsonb({str(partition): offset for partition, offset in until.items()}), lsn),
        )

    def expect_first_snapshot(self, pipeline: str) -> None:
        """The next first snapshot is no surprise."""
        self.rows("UPDATE cdc_ops.first_snapshots SET lsn = NULL WHERE pipeline = %s", (pipeline,))
