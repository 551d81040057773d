"""The request's text: URL and body put together, decoded, and cut where data begin."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from local_stack.clickhouse_http.blocks import decode_blocks
from local_stack.clickhouse_http.compression import decode
from local_stack.clickhouse_http.errors import QUERY_IS_TOO_LARGE, SYNTAX_ERROR, ClickHouseError
from local_stack.clickhouse_http.request import HttpRequest
from local_stack.clickhouse_http.statement import Statement, parse_statement

# far above the engine's own max_query_size, which a client may raise
MAX_TEXT = 1 << 28


def plain_body(request: HttpRequest, raw: Iterator[bytes]) -> Iterator[bytes]:
    """The body without its content coding and ClickHouse's compressed blocks."""
    plain = decode(raw, request.headers.get("content-encoding", ""))
    return decode_blocks(plain) if request.flag("decompress") else plain


def read_statement(query: str, body: Iterator[bytes]) -> tuple[Statement, Iterator[bytes]]:
    """Read as much as it takes to know the statement.

    Args:
        query: the URL's `query`; the body follows it on a new line.
        body: the plain body.

    Returns:
        The statement and the data behind it; there are none unless it is an INSERT that expects some.
    """
    buffer = bytearray()
    if query:
        buffer += query.encode("utf-8", "surrogateescape") + b"\n"
    for piece in body:
        buffer += piece
        found = parse_statement(bytes(buffer), complete=False)
        if found is not None:
            return found, chain([bytes(buffer[found.data_at :])], body)
        if len(buffer) > MAX_TEXT:
            raise ClickHouseError(
                QUERY_IS_TOO_LARGE,
                f"The query is longer than {MAX_TEXT} bytes; send data by INSERT … FORMAT.",
            )
    found = parse_statement(bytes(buffer), complete=True)
    if found is None:
        raise ClickHouseError(SYNTAX_ERROR, "Syntax error: the query cannot be read.")
    return found, iter([bytes(buffer[found.data_at :])] if found.data_at else [])
