"""The sinks' own errors → the platform's tree: is the same write worth another attempt?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from cdc.errors import CdcError, ConfigurationError, DataError, TerminalError, UnavailableError

_CLICKHOUSE_BUSY = frozenset(
    {
        3,  # UNEXPECTED_END_OF_FILE: the request was cut
        159,  # TIMEOUT_EXCEEDED
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        236,  # ABORTED
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        319,  # UNKNOWN_STATUS_OF_INSERT
        373,  # SESSION_IS_LOCKED
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        439,  # CANNOT_SCHEDULE_TASK
        999,  # KEEPER_EXCEPTION
    }
)
_CLICKHOUSE_ABSENT = frozenset(
    {16, 36, 60, 81}
)  # no such column, bad arguments, no such table, no such database
_CLICKHOUSE_DENIED = frozenset({192, 193, 194, 497, 516})
_POSTGRES_BUSY = (
    psycopg.errors.OperationalError,
    psycopg.errors.InterfaceError,
    psycopg.errors.TransactionRollback,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.InsufficientResources,
    psycopg.errors.LockNotAvailable,
)
_POSTGRES_ABSENT = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.InvalidCatalogName,
)
_POSTGRES_DENIED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.InvalidPassword,
    psycopg.errors.InvalidAuthorizationSpecification,
)


@contextlib.contextmanager
def clickhouse_failures(doing: str) -> Iterator[None]:
    """Raise the platform's error for one of clickhouse-connect."""
    try:
        yield
    except ClickHouseError as error:
        raise clickhouse_failure(doing, error) from error


@contextlib.contextmanager
def postgres_failures(doing: str) -> Iterator[None]:
    """Raise the platform's error for one of psycopg."""
    try:
        yield
    except psycopg.Error as error:
        raise postgres_failure(doing, error) from error


def clickhouse_failure(doing: str, error: ClickHouseError) -> CdcError:
    """The platform's error for an error of ClickHouse or of the way to it."""
    code = getattr(error, "code", None)
    message = f"{doing}: ClickHouse said: {_first_line(error)}"
    if code in _CLICKHOUSE_DENIED:
        return ConfigurationError(f"{message}; correct the connection's login or its grants")
    if code in _CLICKHOUSE_ABSENT:
        return ConfigurationError(f"{message}; run `cdc apply`, which makes the sinks' tables")
    if code in _CLICKHOUSE_BUSY or (code is None and isinstance(error, OperationalError)):
        return UnavailableError(message)
    return DataError(message) if code is not None else UnavailableError(message)


def postgres_failure(doing: str, error: psycopg.Error) -> CdcError:
    """The platform's error for an error of PostgreSQL or of the way to it."""
    message = f"{doing}: PostgreSQL said: {_first_line(error)}"
    if isinstance(error, _POSTGRES_DENIED):
        return ConfigurationError(f"{message}; correct the connection's login or its grants")
    if isinstance(error, _POSTGRES_ABSENT):
        return ConfigurationError(f"{message}; run `cdc apply`, which makes the sinks' tables")
    if isinstance(error, _POSTGRES_BUSY):
        return UnavailableError(message)
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
        return DataError(message)
    return TerminalError(message)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
