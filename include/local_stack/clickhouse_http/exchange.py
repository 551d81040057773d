"""The bridge between an asynchronous HTTP server and handlers that run in threads.

The engine's calls block, so each request is handled in a thread of its own. Through an `Exchange` that thread
pulls the body and pushes the answer; both wait for the socket, so neither is ever held in memory whole.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, MutableMapping
from concurrent.futures import CancelledError
from typing import Any

from local_stack.clickhouse_http.errors import ClientGoneError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# a body up to this size is there before the handler starts; a longer one comes in pieces of about this size
PIECE = 1 << 20
# some values come from the request, and none may begin a header of its own
_LINE_BREAK = re.compile(r"[\r\n\0]")


class Exchange:
    """One request's body and answer.

    Args:
        loop: the server's event loop.
        receive: the ASGI channel of the request.
        send: the ASGI channel of the answer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Receive, send: Send) -> None:
        self._loop, self._receive, self._send = loop, receive, send
        self._first = b""
        self._ended = False
        self._watcher: asyncio.Task[None] | None = None
        self._on_gone: Callable[[], object] | None = None
        self._lock = threading.Lock()
        self.gone = False
        self.started = False

    async def prefetch(self) -> None:
        """Read the body's first piece; called once in the event loop, before the handler starts."""
        self._first = await self._read_piece()

    def body(self) -> Iterator[bytes]:
        """Yield the body in pieces; called in the handler's thread, once.

        Raises:
            ClientGoneError: the client went away before the body's end.
        """
        first, self._first = self._first, b""
        if first:
            yield first
        while not self._ended:
            piece = self._call(self._read_piece())
            if piece:
                yield piece
        if self.gone:
            raise ClientGoneError

    def on_gone(self, action: Callable[[], object] | None) -> None:
        """Have `action` called, in a thread, when the client goes away before it has its answer."""
        with self._lock:
            self._on_gone = action
            late = self.gone and action is not None
        if late and action is not None:
            action()

    def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status line and the headers."""
        self.started = True
        pairs = [
            (name.lower().encode(), _LINE_BREAK.sub(" ", value).encode()) for name, value in headers.items()
        ]
        self._call(self._send({"type": "http.response.start", "status": status, "headers": pairs}))

    def write(self, data: bytes) -> None:
        """Send a piece of the answer; returns when the socket has room for more.

        Raises:
            ClientGoneError: the client has gone.
        """
        if self.gone:
            raise ClientGoneError
        if data:
            self._call(self._send({"type": "http.response.body", "body": data, "more_body": True}))

    def finish(self, data: bytes = b"") -> None:
        """Send the last piece. An answer that is never finished is seen by the client as broken off."""
        self._call(self._send({"type": "http.response.body", "body": data, "more_body": False}))

    async def close(self) -> None:
        """Stop watching the connection; called once in the event loop, after the handler."""
        if self._watcher is not None:
            self._watcher.cancel()

    async def _read_piece(self) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while not self._ended and size < PIECE:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone = self._ended = True
                break
            piece = message.get("body", b"")
            pieces.append(piece)
            size += len(piece)
            self._ended = not message.get("more_body", False)
        if self._ended and not self.gone and self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())
        return b"".join(pieces)

    async def _watch(self) -> None:
        """After the body's end the channel says only one thing more: that the client has gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        with self._lock:
            self.gone = True
            action = self._on_gone
        if action is not None:
            self._loop.run_in_executor(None, action)

    def _call(self, waiting: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await waiting

        coroutine: Coroutine[Any, Any, Any] = run()
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
        except (CancelledError, RuntimeError) as error:
            raise ClientGoneError from error
