"""Changes at the source at a given rate: small transactions, which the server makes from a few statements."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg

from local_stack.bench.shapes import Shape

CHANGES = 10
"""A transaction has these, or several times as many: six rows are inserted, three updated (two of them hot
ones), one deleted."""
HOT_ROWS = 100
FIRST = 1_000_000
PROBES = 1 << 41
"""Keys from here on are probes."""
_VALUES = (
    "floor(random() * 5000000)::bigint, (ARRAY['pending','paid','shipped'])[1 + floor(random() * 3)::int], "
    "(floor(random() * 9999) + (floor(random() * 10) * 10 + 1 + floor(random() * 9)) / 100)::numeric(12,2), "
    "1 + floor(random() * 99)::int, CASE WHEN random() < 0.3 THEN NULL ELSE 'note ' || "
    "floor(random() * 1000000)::text END, clock_timestamp()"
)
_SET = (
    f"(customer_id, status, amount, quantity, note, updated_at) = (SELECT {_VALUES} WHERE t.id IS NOT NULL)"
)


class Load(threading.Thread):
    """Makes changes in a thread of its own until it is told to stop.

    Attributes:
        made: changes that were committed so far.
        behind_s: how late the last transaction was; a source that cannot keep up shows here.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], shape: Shape, rate: float, first: int, times: int = 1
    ) -> None:
        """Nothing happens before `start`.

        Args:
            connection: of the tables' owner, in autocommit mode, used by this thread alone.
            shape: the table, of seven columns.
            rate: changes a second; 0 for as many as the source takes.
            first: the first new key; greater than all that were used before.
            times: a transaction has ten times so many changes; 50 at the most.
        """
        super().__init__(name="load", daemon=True)
        self._connection, self._table, self._rate = connection, shape.source, rate
        # One statement is one round trip and one transaction.
        self._statement = (
            f"WITH made AS (INSERT INTO {self._table} SELECT k, {_VALUES} "
            "FROM generate_series(%s, %s) AS k), "
            f"changed AS (UPDATE {self._table} AS t SET {_SET} WHERE t.id = ANY(%s)) "
            f"DELETE FROM {self._table} WHERE id = ANY(%s)"
        )
        self._times = times
        self._end = threading.Event()
        self.next_key, self.made, self.behind_s = first, 0, 0.0
        self.problem: str | None = None

    def prepare(self) -> None:
        """Make the hot rows, once for each table."""
        self._connection.execute(
            f"INSERT INTO {self._table} SELECT k, {_VALUES} FROM generate_series(1, {HOT_ROWS}) AS k "
            "ON CONFLICT DO NOTHING"
        )

    def pile_up(self, changes: int) -> None:
        """Commit so many changes as fast as the source takes them; nobody waits for each to be durable."""
        self._connection.execute("SET synchronous_commit TO off")
        while self.made < changes:
            self.transaction()
        self._connection.execute("RESET synchronous_commit")

    def run(self) -> None:
        """Commit transaction after transaction, each when it is due."""
        begun = time.monotonic()
        try:
            while not self._end.is_set():
                self.transaction()
                if self._rate:
                    due = begun + self.made / self._rate
                    self.behind_s = max(0.0, time.monotonic() - due)
                    self._end.wait(max(0.0, due - time.monotonic()))
        except psycopg.Error as error:
            self.problem = f"the source does not take the load: {error}"

    def transaction(self) -> None:
        """Ten changes, or several times as many; of the rows that the one before has made some go on."""
        key, inserts = self.next_key, 6 * self._times
        self.next_key += inserts
        hot = [1 + (key + number) % HOT_ROWS for number in range(2 * self._times)]
        updated = [*hot, *range(key - inserts, key, 6)]
        deleted = list(range(key - inserts + 1, key, 6))
        self._connection.execute(self._statement, (key, key + inserts - 1, updated, deleted))
        self.made += CHANGES * self._times

    def stop(self) -> int:
        """End after the running transaction; returns the changes that were made."""
        self._end.set()
        self.join()
        return self.made
