"""ClickHouse over HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from cdc.connections import Connection
from cdc.errors import ConfigurationError, DataError, UnavailableError

_BAD_LOGIN = (192, 193, 194, 516)
BUSY_CODES = frozenset(
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
"""With which ClickHouse says that the same may succeed later."""
_ABSENT = (16, 47, 60, 81)  # no such column, no such name, no such table, no such database


def connect_clickhouse(
    connection: Connection,
    *,
    send_receive_timeout_s: int = 30,
    settings: dict[str, Any] | None = None,
) -> Client:
    """Connect, with asynchronous inserts off: an acknowledged insert is in the table.

    Args:
        connection: where ClickHouse is.
        send_receive_timeout_s: of one call; a writer's must be shorter than its lease.
        settings: more ClickHouse settings of every call.

    Raises:
        UnavailableError: ClickHouse does not answer.
        ConfigurationError: it refuses the login.
    """
    with mapped_errors(connection):
        return clickhouse_connect.get_client(
            host=connection.host,
            port=connection.port or 8123,
            username=connection.login or "default",
            password=connection.password,
            database=connection.schema_ if connection.schema_ not in ("http", "https") else "",
            secure=connection.url().startswith("https"),
            connect_timeout=5,
            send_receive_timeout=send_receive_timeout_s,
            # Parallel queries of one client must not share a session.
            autogenerate_session_id=False,
            settings={"async_insert": 0, **(settings or {})},
            client_name="cdc",
        )


@contextlib.contextmanager
def mapped_errors(connection: Connection) -> Iterator[None]:
    """Turn the driver's errors about the connection into the platform's; others go through as they are.

    Raises:
        UnavailableError: ClickHouse does not answer.
        ConfigurationError: it refuses the login.
    """
    try:
        yield
    except OperationalError as error:
        raise UnavailableError(
            f"ClickHouse ({connection.id}) does not answer: {_first_line(error)}"
        ) from error
    except ClickHouseError as error:
        if getattr(error, "code", None) in _BAD_LOGIN:
            raise ConfigurationError(
                f"ClickHouse refuses the login of connection {connection.id!r}: {_first_line(error)}"
            ) from error
        raise


@contextlib.contextmanager
def query_errors(connection: Connection) -> Iterator[None]:
    """As `mapped_errors`, where nothing else handles what ClickHouse says of a statement.

    Raises:
        UnavailableError: ClickHouse does not answer, or has no room for the statement now.
        ConfigurationError: it refuses the login, or has no such table or column.
        DataError: it cannot compute what was asked.
    """
    try:
        with mapped_errors(connection):
            yield
    except ClickHouseError as error:
        code, said = getattr(error, "code", None), f"ClickHouse ({connection.id}) said: {_first_line(error)}"
        if code in _ABSENT:
            raise ConfigurationError(f"{said}; `cdc apply` makes what the pipeline declares") from error
        if code in BUSY_CODES:
            raise UnavailableError(said) from error
        raise DataError(said) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
