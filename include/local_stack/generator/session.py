"""Runs transactions, and knows after a lost connection whether the last one was committed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import Any

import psycopg
from psycopg import Connection, errors
from psycopg.pq import TransactionStatus

from cdc.errors import UnavailableError
from local_stack.generator.operations import Statement
from local_stack.generator.state import ShopState, draw_ids, load_state
from local_stack.generator.totals import Totals

# A second client of the shop may have taken a row that we wanted: nothing is wrong, we look again.
_RACES = (
    errors.IntegrityError,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.LockNotAvailable,
)
_RETRY_S = 0.5
_FRESH_IDS = 1_000
_BEGIN_RUN = "INSERT INTO generator.runs DEFAULT VALUES RETURNING id"
_NUMBER_TRANSACTION = "UPDATE generator.runs SET last_transaction = %s WHERE id = %s"
_LAST_TRANSACTION = "SELECT last_transaction FROM generator.runs WHERE id = %s FOR UPDATE"


class ShopSession:
    """One connection to the sample shop, opened again when the source has been restarted.

    How it works: each transaction also writes its number into this session's row of `generator.runs`. When
    the connection is lost during the commit, that row says, after the reconnect, whether it counts. A
    transaction id cannot say so: one whose log was not flushed before a crash is given out again.

    Args:
        dsn: the source database, as the role that owns the tables.
        patience_s: how long a source that is away is waited for.
        sleep, clock: as in `time`.
    """

    def __init__(
        self,
        dsn: str,
        *,
        patience_s: float = 300.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dsn, self._patience_s, self._sleep, self._clock = dsn, patience_s, sleep, clock
        self._connection = self._connect()
        self._number = 0
        row = self._connection.execute(_BEGIN_RUN).fetchone()
        self._run = row[0] if row else None
        self._connection.commit()
        self.state: ShopState = load_state(self._connection)

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back by the server."""
        self._connection.close()

    def ensure_ids(self, wanted: int) -> None:
        """Have at least `wanted` fresh ids for each table."""
        tables = self.state.low_on_ids(wanted)
        if not tables:
            return
        try:
            draw_ids(self._connection, self.state, tables, max(wanted, _FRESH_IDS))
        except psycopg.OperationalError:
            self._recover()
            self.ensure_ids(wanted)

    def commit(self, plan: Sequence[Statement]) -> Totals:
        """Run a plan in one transaction and return what was committed: all of it, or nothing.

        After a race with another client, a lost connection, or a row that was not there, the state is loaded
        again, so that the next plan fits what the source really holds.
        """
        self._number += 1
        try:
            cursors = self._execute(plan)
            self._connection.commit()
        except _RACES:
            self._connection.rollback()
            self._reload()
            return Totals()
        except psycopg.OperationalError:
            return _planned(plan) if self._recover() else Totals()
        hit = [s.effect for s, cursor in zip(plan, cursors, strict=True) if cursor.rowcount]
        if len(hit) < len(plan):
            self._reload()
        return reduce(add, hit, Totals(transactions=1))

    def _execute(self, plan: Sequence[Statement]) -> list[psycopg.Cursor[Any]]:
        with self._connection.pipeline():
            # The statements are this package's constants; their values travel as parameters.
            cursors = [self._connection.execute(s.sql, s.params) for s in plan]
            self._connection.execute(_NUMBER_TRANSACTION, (self._number, self._run))
        return cursors

    def _recover(self) -> bool:
        """Open a new connection; True when the last transaction had been committed."""
        while True:
            self._connection.close()
            self._connection = self._connect()
            try:
                # Waits for the old backend, should it still be about to commit.
                row = self._connection.execute(_LAST_TRANSACTION, (self._run,)).fetchone()
            except psycopg.OperationalError:
                continue
            self._reload()
            return row == (self._number,)

    def _reload(self) -> None:
        try:
            if self._connection.info.transaction_status != TransactionStatus.IDLE:
                self._connection.rollback()
            self.state = load_state(self._connection)
        except psycopg.OperationalError:
            self._connection.close()
            self._connection = self._connect()
            self._reload()

    def _connect(self) -> Connection[Any]:
        deadline = self._clock() + self._patience_s
        while True:
            try:
                return psycopg.connect(self._dsn, connect_timeout=5, application_name="cdc-generator")
            except psycopg.OperationalError as error:
                if self._clock() > deadline:
                    raise UnavailableError(
                        f"the source did not answer for {self._patience_s:.0f} s ({error}): see `make status`"
                    ) from None
                self._sleep(_RETRY_S)


def _planned(plan: Sequence[Statement]) -> Totals:
    return reduce(add, (statement.effect for statement in plan), Totals(transactions=1))
