"""The sinks' own errors → the platform's tree: is the same write worth another attempt?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from cdc.clients.clickhouse import BUSY_CODES
from cdc.errors import CdcError, ConfigurationError, RefusedError, TerminalError, UnavailableError

_CLICKHOUSE_ABSENT = frozenset(
    {16, 36, 60, 81}
)  # no such column, bad arguments, no such table, no such database
_CLICKHOUSE_ROWS = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        32,  # ATTEMPT_TO_READ_AFTER_EOF
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        131,  # TOO_LARGE_STRING_SIZE
        248,  # INVALID_PARTITION_VALUE
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        376,  # CANNOT_PARSE_UUID
        395,  # FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
        407,  # DECIMAL_OVERFLOW
        469,  # VIOLATED_CONSTRAINT
        675,  # CANNOT_PARSE_IPV4
        676,  # CANNOT_PARSE_IPV6
        691,  # UNKNOWN_ELEMENT_OF_ENUM
    }
)
"""What a row can be refused for; other errors are about the statement or the server."""
_CLICKHOUSE_DENIED = frozenset({192, 193, 194, 497, 516})
_POSTGRES_BUSY = (
    psycopg.errors.OperationalError,
    psycopg.errors.InterfaceError,
    psycopg.errors.TransactionRollback,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.InsufficientResources,
    psycopg.errors.LockNotAvailable,
    # The staging table was made before somebody changed a column; the next connection makes another.
    psycopg.errors.DatatypeMismatch,
)
_POSTGRES_ROWS = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,  # a value too long for an index, which psycopg calls operational
    psycopg.errors.RaiseException,  # a trigger of the user's
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
    if code in BUSY_CODES or (code is None and isinstance(error, OperationalError)):
        return UnavailableError(message)
    if code in _CLICKHOUSE_ROWS:
        return RefusedError(message)
    return TerminalError(message) if code is not None else UnavailableError(message)


def postgres_failure(doing: str, error: psycopg.Error) -> CdcError:
    """The platform's error for an error of PostgreSQL or of the way to it."""
    message = f"{doing}: PostgreSQL said: {_first_line(error)}"
    if isinstance(error, _POSTGRES_DENIED):
        return ConfigurationError(f"{message}; correct the connection's login or its grants")
    if isinstance(error, _POSTGRES_ABSENT):
        return ConfigurationError(f"{message}; run `cdc apply`, which makes the sinks' tables")
    if isinstance(error, _POSTGRES_ROWS):
        return RefusedError(message)
    if isinstance(error, _POSTGRES_BUSY):
        return UnavailableError(message)
    return TerminalError(message)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
