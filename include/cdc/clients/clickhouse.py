"""ClickHouse over HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from cdc.connections import Connection
from cdc.errors import ConfigurationError, UnavailableError

_BAD_LOGIN = (192, 193, 194, 516)


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


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
