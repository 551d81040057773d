"""The answer to a client: headers, buffering, compression, and errors before or in the middle of a body."""

from __future__ import annotations

import secrets
import string
import tempfile
from collections.abc import Iterable
from typing import IO

from local_stack.clickhouse_http.blocks import encode_blocks
from local_stack.clickhouse_http.compression import Encoder, choose_encoding, make_encoder
from local_stack.clickhouse_http.engine import Engine
from local_stack.clickhouse_http.errors import ClickHouseError
from local_stack.clickhouse_http.exchange import Exchange
from local_stack.clickhouse_http.request import HttpRequest
from local_stack.clickhouse_http.stats import QueryStats

# up to here an answer is held back, so that a failing query still gets its status and a whole summary
HELD_BACK = 1 << 20
KEEP_ALIVE_S = 600
_IN_MEMORY = 1 << 24
_TAG_ALPHABET = string.ascii_lowercase
_TAG_LENGTH = 16


class Reply:
    """Collects what a query answers and sends it.

    Args:
        engine: for the headers that name it.
        request: what the client accepts.
        exchange: where the answer goes.
        query_id: the query's id, sent back.
    """

    def __init__(self, engine: Engine, request: HttpRequest, exchange: Exchange, query_id: str) -> None:
        self._engine, self._request, self._exchange = engine, request, exchange
        self.query_id = query_id
        self._encoder: Encoder | None = None
        self._blocks = request.flag("compress")
        self._tag = "".join(secrets.choice(_TAG_ALPHABET) for _ in range(_TAG_LENGTH))
        self._held: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._size = 0
        self._form = "TabSeparated"
        wait = request.flag("wait_end_of_query")
        self._limit = None if wait else max(request.number("buffer_size", HELD_BACK), 1)

    def write(self, data: bytes, form: str) -> None:
        """Take a piece of the answer, in the format `form`."""
        self._form = form
        if self._exchange.started:
            self._exchange.write(self._encode(data))
            return
        self._held.write(data)
        self._size += len(data)
        if self._limit is not None and self._size >= self._limit:
            self._begin(QueryStats())

    def finish(self, stats: QueryStats, form: str) -> None:
        """Send what is held back and the end."""
        self._form = form
        if not self._exchange.started:
            self._begin(stats)
        self._exchange.finish(self._encoder.flush() if self._encoder else b"")

    def fail(self, error: ClickHouseError) -> None:
        """Send the error: as the whole answer, or as the mark behind the part that was sent already."""
        if self._exchange.started:
            self._break_off(error)
            return
        self._held.close()
        headers = self._headers("text/plain; charset=UTF-8") | {
            "X-ClickHouse-Exception-Code": str(error.code)
        }
        if error.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        body = error.body(self._engine.version)
        self._exchange.start(error.status, headers | {"Content-Length": str(len(body))})
        self._exchange.finish(body)

    def plain(self, status: int, text: str) -> None:
        """Send a short text that is not a query's answer."""
        body = text.encode()
        headers = self._headers("text/html; charset=UTF-8") | {"Content-Length": str(len(body))}
        self._exchange.start(status, headers)
        self._exchange.finish(body)

    def close(self) -> None:
        """Free what was held back."""
        self._held.close()

    def _begin(self, stats: QueryStats) -> None:
        headers = self._headers(self._engine.content_type(self._form)) | {
            "X-ClickHouse-Format": self._form,
            "X-ClickHouse-Summary": stats.header(),
            "X-ClickHouse-Exception-Tag": self._tag,
        }
        accepted = self._request.headers.get("accept-encoding", "")
        if self._request.flag("enable_http_compression", default=True) and not self._blocks:
            coding = choose_encoding(accepted)
            if coding is not None:
                self._encoder = make_encoder(coding, self._request.number("http_zlib_compression_level", 3))
                headers["Content-Encoding"] = coding
        self._exchange.start(200, headers)
        self._held.seek(0)
        for piece in iter(lambda: self._held.read(HELD_BACK), b""):
            self._exchange.write(self._encode(piece))
        self._held.close()

    def _encode(self, data: bytes) -> bytes:
        if self._blocks:
            return encode_blocks(data)
        return self._encoder.compress(data) if self._encoder else data

    def _break_off(self, error: ClickHouseError) -> None:
        """Write ClickHouse's exception block and leave the answer unfinished: none takes it for whole."""
        text = error.body(self._engine.version).decode().rstrip("\n") + "\n"
        tag = self._tag
        mark = f"__exception__\r\n{tag}\r\n{text}{len(text.encode())} {tag}\r\n__exception__\r\n".encode()
        self._exchange.write(self._encode(b"\r\n" + mark) + (self._encoder.flush() if self._encoder else b""))

    def _headers(self, content_type: str) -> dict[str, str]:
        headers = {
            "Content-Type": content_type,
            "X-ClickHouse-Server-Display-Name": self._engine.name,
            "X-ClickHouse-Query-Id": self.query_id,
            "X-ClickHouse-Timezone": self._engine.timezone,
            "Connection": "Keep-Alive",
            "Keep-Alive": f"timeout={KEEP_ALIVE_S}",
            "Access-Control-Expose-Headers": ", ".join(_EXPOSED),
        }
        if self._request.flag("add_http_cors_header"):
            headers["Access-Control-Allow-Origin"] = "*"
        return headers


_EXPOSED: Iterable[str] = (
    "X-ClickHouse-Query-Id",
    "X-ClickHouse-Summary",
    "X-ClickHouse-Server-Display-Name",
    "X-ClickHouse-Format",
    "X-ClickHouse-Timezone",
    "X-ClickHouse-Exception-Code",
    "X-ClickHouse-Exception-Tag",
)
