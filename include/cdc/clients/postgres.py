"""PostgreSQL, as source, warehouse or control server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from cdc.connections import Connection
from cdc.errors import ConfigurationError, UnavailableError

_COLUMNS = """
    SELECT a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
    WHERE a.attrelid = to_regclass(format('%%I.%%I', %s::text, %s::text))
      AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""
_REFUSED = (
    psycopg.errors.InvalidPassword,
    psycopg.errors.InvalidAuthorizationSpecification,
    psycopg.errors.InvalidCatalogName,
)


def connect_postgres(
    connection: Connection,
    *,
    autocommit: bool = False,
    application_name: str = "cdc",
    statement_timeout_s: int = 0,
) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect in UTC, with keep-alives, by which each side notices a dead other one within half a minute.

    Args:
        connection: where it is.
        autocommit: each statement is a transaction of its own.
        application_name: what `pg_stat_activity` shows.
        statement_timeout_s: of one statement; 0 is without limit.

    Raises:
        UnavailableError: it does not answer.
        ConfigurationError: it refuses the login or has no such database.
    """
    try:
        return psycopg.connect(
            connection.dsn(),
            autocommit=autocommit,
            connect_timeout=5,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            application_name=application_name,
            # How money is read follows the server's locale; the events have a point before the cents.
            # A client whose machine is gone keeps its locks until the server misses its answers.
            options=f"-c TimeZone=UTC -c lc_monetary=C -c statement_timeout={statement_timeout_s * 1000} "
            "-c quote_all_identifiers=off -c extra_float_digits=1 "
            "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
        )
    except psycopg.OperationalError as error:
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        # Before the login is complete the driver has no error class, only the server's words.
        if (
            isinstance(error, _REFUSED)
            or "authentication failed" in str(error)
            or "does not exist" in str(error)
        ):
            raise ConfigurationError(f"PostgreSQL refuses connection {connection.id!r}: {said}") from error
        raise UnavailableError(f"PostgreSQL ({connection.id}) does not answer: {said}") from error


@contextmanager
def asking(connection: Connection, application_name: str) -> Iterator[psycopg.Connection[Any]]:
    """A session for a few questions, each a transaction of its own.

    Raises:
        UnavailableError: the server does not answer one of them.
    """
    try:
        with connect_postgres(connection, autocommit=True, application_name=application_name) as session:
            yield session
    except psycopg.Error as error:
        raise UnavailableError(f"connection {connection.id!r} failed: {str(error).strip()}") from error


def log_end(session: psycopg.Connection[Any] | psycopg.Cursor[Any]) -> int:
    """Where the server's log ends now."""
    row = session.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchone()
    return int(row[0]) if row else 0


def read_log_end(connection: Connection, application_name: str) -> int:
    """The same, in a session of its own; raises as `asking` does."""
    with asking(connection, application_name) as session:
        return log_end(session)


def columns_of(
    session: psycopg.Connection[Any] | psycopg.Cursor[Any], schema: str, name: str
) -> dict[str, str]:
    """The columns of a table or view with their types, in their order; none when it does not exist."""
    return dict(session.execute(_COLUMNS, (schema, name)).fetchall())
