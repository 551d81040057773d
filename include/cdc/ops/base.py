"""One connection to the ops store, shared by a process's threads and made again after a failure."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from types import TracebackType
from typing import Any, Literal, Self

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from cdc.connections import Connection
from cdc.errors import ConfigurationError, ConflictError, UnavailableError

Parameters = Sequence[Any] | Mapping[str, Any]
Statement = str | sql.Composed | sql.SQL
_OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "application_name": "cdc-ops",
    # The server's keep-alives free the locks of a client whose machine is gone.
    "options": "-c statement_timeout=20000 -c lock_timeout=10000 -c TimeZone=UTC "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
}
ADVISORY_CLASS = 0x0CDC
_CHECK_AFTER_S = 2.0


class OpsDatabase:
    """The connection below `OpsStore`.

    A statement on a broken connection is tried once more on a new one, which is safe because every statement
    of the store can be repeated. The object can be pickled; the copy connects by itself.
    """

    def __init__(self, connection: Connection | str) -> None:
        self._dsn = connection if isinstance(connection, str) else connection.dsn()
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[DictRow] | None = None
        self._used_at = 0.0

    def __getstate__(self) -> dict[str, Any]:
        return {"_dsn": self._dsn}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._dsn = state["_dsn"]
        self._reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def ensure_schema(self) -> None:
        """Make the schema `cdc_ops`, or what is missing of it; safe beside others that do the same."""
        script = resources.files("cdc.ops").joinpath("schema.sql").read_text(encoding="utf-8")
        digest = (
            f"The ops store of the platform (definition {hashlib.sha256(script.encode()).hexdigest()[:16]})"
        )
        # Its statements would wait for writers even when they find everything in place.
        comment = "SELECT obj_description(to_regnamespace('cdc_ops'), 'pg_namespace') AS text"
        row = self.one(comment)
        if row is not None and row["text"] == digest:
            return
        with self.exclusively("ops schema"), self.transaction() as connection:
            connection.execute(script)
            connection.execute(sql.SQL("COMMENT ON SCHEMA cdc_ops IS {}").format(sql.Literal(digest)))

    def exclusively(self, what: str) -> contextlib.AbstractContextManager[None]:
        """Hold a lock on `what` across all processes; used around look-up and submit of a driver.

        The lock is on a connection of its own, and PostgreSQL frees it when the process dies.

        Raises:
            UnavailableError: the ops store does not answer, or somebody holds the lock for longer than 300 s.
        """
        return self._holding(what, "")

    def together(self, what: str) -> contextlib.AbstractContextManager[None]:
        """Hold the same lock beside others who hold it so; nobody has it exclusively meanwhile."""
        return self._holding(what, "_shared")

    @contextlib.contextmanager
    def alone(self, what: str, refusal: str) -> Iterator[None]:
        """Hold the lock on `what` for long work that nobody shall wait for; `refusal` says what is under way.

        Raises:
            ConflictError: somebody else holds it.
            UnavailableError: the ops store does not answer.
        """
        key = (ADVISORY_CLASS, what)
        with self._mapped():
            connection = self._connect()
        with contextlib.closing(connection):
            with self._mapped():
                taken = "SELECT pg_try_advisory_lock(%s, hashtext(%s)) AS taken"
                row = connection.execute(taken, key).fetchone()
            if row is None or not row["taken"]:
                raise ConflictError(f"{refusal}: wait until that has ended, then try again")
            try:
                yield
            finally:
                with contextlib.suppress(psycopg.Error):
                    connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", key)

    @contextlib.contextmanager
    def _holding(self, what: str, kind: Literal["", "_shared"]) -> Iterator[None]:
        with self._mapped(), contextlib.closing(self._connect()) as connection:
            connection.execute("SET lock_timeout = '300s'; SET statement_timeout = '305s'")
            key = (ADVISORY_CLASS, what)
            try:
                connection.execute(f"SELECT pg_advisory_lock{kind}(%s, hashtext(%s))", key)
            except psycopg.errors.LockNotAvailable:
                raise UnavailableError(f"another process holds the lock on {what!r} for over 300 s") from None
            try:
                yield
            finally:
                # At once: the end of a connection takes the server a moment.
                with contextlib.suppress(psycopg.Error):
                    connection.execute(f"SELECT pg_advisory_unlock{kind}(%s, hashtext(%s))", key)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[DictRow]]:
        """One transaction on the shared connection.

        Raises:
            UnavailableError: the ops store does not answer.
        """
        with self._lock, self._mapped():
            connection = self._alive()
            with connection.transaction():
                yield connection

    def rows(self, statement: Statement, parameters: Parameters = ()) -> list[DictRow]:
        """Run a statement and fetch what it returns."""
        with self._lock, self._mapped():
            try:
                cursor = self._alive().execute(statement, parameters)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if self._connection is not None and not self._connection.closed:
                    raise
                cursor = self._alive().execute(statement, parameters)
            return cursor.fetchall() if cursor.description is not None else []

    def one(self, statement: Statement, parameters: Parameters = ()) -> DictRow | None:
        """The first row, or None."""
        return next(iter(self.rows(statement, parameters)), None)

    def _alive(self) -> psycopg.Connection[DictRow]:
        if self._connection is not None and time.monotonic() - self._used_at > _CHECK_AFTER_S:
            # After a pause the server may have been restarted; a statement in a transaction has no second
            # try.
            with contextlib.suppress(psycopg.OperationalError, psycopg.InterfaceError):
                self._connection.execute("SELECT 1")
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        self._used_at = time.monotonic()
        return self._connection

    def _connect(self) -> psycopg.Connection[DictRow]:
        options: dict[str, Any] = _OPTIONS
        return psycopg.connect(self._dsn, autocommit=True, row_factory=dict_row, **options)

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.errors.InvalidPassword, psycopg.errors.InvalidCatalogName) as error:
            raise ConfigurationError(f"the ops store refuses the login: {_said(error)}") from error
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise ConfigurationError(
                f"the ops store has no schema yet ({_said(error)}): run `cdc apply`"
            ) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise UnavailableError(f"the ops store does not answer: {_said(error)}") from error


def _said(error: psycopg.Error) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
