"""Backfills, replays and resyncs: who asks leaves a record, who does it says how far it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from psycopg.sql import SQL
from psycopg.types.json import Jsonb

from cdc.errors import ConfigurationError
from cdc.model.bounded_run import CONTINUED_WITHIN, SILENT_AFTER, BoundedRun, RunKind, offsets_of
from cdc.ops.base import OpsDatabase

_COLUMNS = SQL(
    'id, pipeline, "table", kind, "window", sinks, state, started_at, touched_at, estimate, done, bad, '
    "position, finished_at, message"
)
_TAKE_UP = SQL(
    "UPDATE cdc_ops.bounded_runs SET state = 'running', touched_at = now(), finished_at = NULL, message = '' "
    'WHERE id = (SELECT id FROM cdc_ops.bounded_runs WHERE pipeline = %s AND "table" = %s AND kind = %s '
    'AND "window" = %s AND sinks = %s ORDER BY started_at DESC LIMIT 1) '
    "AND state <> 'done' AND touched_at > now() - %s RETURNING {}"
).format(_COLUMNS)
_MAKE = SQL(
    'INSERT INTO cdc_ops.bounded_runs (pipeline, "table", kind, "window", sinks, id, estimate, position) '
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING {}"
).format(_COLUMNS)


class BoundedRunStore(OpsDatabase):
    """Runs over a part of a table that end by themselves."""

    def begin_run(
        self,
        pipeline: str,
        table: str,
        kind: RunKind,
        window: Mapping[str, Any],
        sinks: Sequence[str],
        *,
        estimate: int | None = None,
        position: Mapping[str, Any] | None = None,
        anew: bool = False,
    ) -> BoundedRun:
        """Begin a run, or go on with one of the same window that was broken off within a day.

        Args:
            pipeline: the pipeline's name.
            table: the table's name in the sinks.
            kind: what is done.
            window: what part of the table; two runs with the same one are the same.
            sinks: where it writes.
            estimate: how many rows or events it is about.
            position: where it begins.
            anew: never go on with an earlier one.
        """
        place = (pipeline, table, str(kind), Jsonb(dict(window)), list(sinks))
        found = None if anew else self.one(_TAKE_UP, (*place, CONTINUED_WITHIN))
        if found is not None:
            return _run(found)
        made = self.one(_MAKE, (*place, uuid4(), estimate, Jsonb(dict(position or {}))))
        if made is None:
            raise AssertionError("an INSERT with RETURNING returns its row")
        return _run(made)

    def bounded_run(self, number: UUID) -> BoundedRun:
        """One run.

        Raises:
            ConfigurationError: there is none of that number.
        """
        row = self.one(SQL("SELECT {} FROM cdc_ops.bounded_runs WHERE id = %s").format(_COLUMNS), (number,))
        if row is None:
            raise ConfigurationError(f"the ops store has no run {number}: `cdc runs` shows those that it has")
        return _run(row)

    def runs_under_way(self, pipeline: str) -> list[BoundedRun]:
        """Those that run, the newest first; not those that were killed."""
        rows = self.rows(
            SQL(
                "SELECT {} FROM cdc_ops.bounded_runs WHERE pipeline = %s AND state = 'running' "
                "AND touched_at > now() - %s ORDER BY started_at DESC"
            ).format(_COLUMNS),
            (pipeline, SILENT_AFTER),
        )
        return [_run(row) for row in rows]

    def bounded_runs(self, pipeline: str, limit: int = 20) -> list[BoundedRun]:
        """The newest first."""
        rows = self.rows(
            SQL(
                "SELECT {} FROM cdc_ops.bounded_runs WHERE pipeline = %s ORDER BY started_at DESC LIMIT %s"
            ).format(_COLUMNS),
            (pipeline, limit),
        )
        return [_run(row) for row in rows]

    def advance_run(self, number: UUID, done: int, position: Mapping[str, Any], *, bad: int = 0) -> None:
        """Say how far it is; of two processes that do the same run the one ahead counts."""
        self.rows(
            "UPDATE cdc_ops.bounded_runs SET done = %s, position = %s, bad = bad + %s, touched_at = now() "
            "WHERE id = %s AND done <= %s",
            (done, Jsonb(dict(position)), bad, number, done),
        )

    def end_run(self, number: UUID, message: str = "", *, failed: bool = False) -> None:
        """It has ended; one that is done stays so, and the first that says why it failed is right."""
        self.rows(
            "UPDATE cdc_ops.bounded_runs SET state = %s, message = %s, touched_at = now(), "
            "finished_at = now() WHERE id = %s AND (state = 'running' OR (state = 'failed' AND NOT %s))",
            ("failed" if failed else "done", message, number, failed),
        )

    def replayed_places(self, pipeline: str, table: str) -> list[tuple[int, int]]:
        """(partition, offset) of events that replays which have not ended well may write once more."""
        rows = self.rows(
            "SELECT position -> 'since' AS since FROM cdc_ops.bounded_runs WHERE pipeline = %s "
            "AND \"table\" = %s AND kind = 'replay' AND state <> 'done' AND touched_at > now() - %s",
            (pipeline, table, CONTINUED_WITHIN),
        )
        return [place for row in rows for place in offsets_of(row["since"] or {}).items()]


def _run(row: Mapping[str, Any]) -> BoundedRun:
    return BoundedRun(**{**row, "kind": RunKind(row["kind"])})
