"""Errors as ClickHouse clients know them: code, name, message, HTTP status."""

from __future__ import annotations

import re

from cdc.errors import TerminalError

SYNTAX_ERROR = (62, "SYNTAX_ERROR")
READONLY = (164, "READONLY")
REQUIRED_PASSWORD = (194, "REQUIRED_PASSWORD")
CANNOT_READ_ALL_DATA = (33, "CANNOT_READ_ALL_DATA")
CHECKSUM_DOESNT_MATCH = (40, "CHECKSUM_DOESNT_MATCH")
UNKNOWN_TYPE_OF_QUERY = (78, "UNKNOWN_TYPE_OF_QUERY")
UNKNOWN_COMPRESSION_METHOD = (89, "UNKNOWN_COMPRESSION_METHOD")
SAME_ID_RUNS = (216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING")
NETWORK_ERROR = (210, "NETWORK_ERROR")
QUERY_IS_TOO_LARGE = (229, "QUERY_IS_TOO_LARGE")
ABORTED = (236, "ABORTED")
CANNOT_DECOMPRESS = (271, "CANNOT_DECOMPRESS")
INTO_OUTFILE_NOT_ALLOWED = (358, "INTO_OUTFILE_NOT_ALLOWED")
SESSION_NOT_FOUND = (372, "SESSION_NOT_FOUND")
SESSION_IS_LOCKED = (373, "SESSION_IS_LOCKED")
INVALID_SESSION_TIMEOUT = (374, "INVALID_SESSION_TIMEOUT")
BAD_REQUEST_PARAMETER = (408, "BAD_REQUEST_PARAMETER")
AUTHENTICATION_FAILED = (516, "AUTHENTICATION_FAILED")
UNKNOWN_EXCEPTION = (1002, "UNKNOWN_EXCEPTION")

_ENGINE = re.compile(
    r"Code: (\d+)\. DB::Exception: (.*?)\s*\(([A-Z][A-Z0-9_]+)\)(?: \(version [^)]*\))?\s*\Z", re.S
)

# What ClickHouse's exceptionCodeToHTTPStatus answers; every other code is a 500.
_STATUS: dict[int, int] = {
    **dict.fromkeys((497, 516, 192, 193, 512), 403),
    **dict.fromkeys(
        (6, 8, 15, 25, 26, 27, 36, 38, 41, 44, 53, 62, 72, 117, 167, 168, 201, 292, 321, 376, 427, 675, 676),
        400,
    ),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 128, 336, 511), 404),
    48: 501,
    76: 503,
    159: 408,
    194: 401,
    209: 503,
    229: 413,
    381: 411,
    415: 415,
    439: 503,
}


class ClickHouseError(TerminalError):
    """An error that is sent to the client with ClickHouse's own code and name.

    Attributes:
        code: the number in `X-ClickHouse-Exception-Code`.
        name: the symbolic name in parentheses at the message's end.
        message: what happened, without code and name.
    """

    def __init__(self, kind: tuple[int, str], message: str) -> None:
        """Build `Code: N. DB::Exception: message (NAME)`."""
        self.code, self.name = kind
        self.message = message
        super().__init__(f"Code: {self.code}. DB::Exception: {message} ({self.name})")

    @property
    def status(self) -> int:
        """The HTTP status that ClickHouse answers for this code."""
        return _STATUS.get(self.code, 500)

    def body(self, version: str) -> bytes:
        """The response body, as ClickHouse words it."""
        return f"{self} (version {version} (official build))\n".encode()


class ClientGoneError(ClickHouseError):
    """The client closed its connection in the middle of a request."""

    def __init__(self) -> None:
        """Say that nothing of the request was applied."""
        super().__init__(NETWORK_ERROR, "The client closed the connection before the request was complete.")


def from_engine(error: BaseException) -> ClickHouseError:
    """Read code, name and message out of the engine's error text.

    Args:
        error: what the engine raised; its text is `Code: N. DB::Exception: … (NAME)`.

    Returns:
        The same error with its parts apart; text of another shape becomes UNKNOWN_EXCEPTION.
    """
    if isinstance(error, ClickHouseError):
        return error
    found = _ENGINE.match(str(error))
    if found is None:
        return ClickHouseError(UNKNOWN_EXCEPTION, str(error) or type(error).__name__)
    code, message, name = found.groups()
    while (nested := _ENGINE.match(message)) is not None:
        # an error that passed through another part of the engine is wrapped once more
        code, message, name = nested.groups()
    return ClickHouseError((int(code), name), message)
