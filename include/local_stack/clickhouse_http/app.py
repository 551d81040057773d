"""The ASGI application: hands each request to a thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from local_stack.clickhouse_http.errors import UNKNOWN_EXCEPTION, ClickHouseError
from local_stack.clickhouse_http.exchange import Exchange, Receive, Send
from local_stack.clickhouse_http.request import read_request
from local_stack.clickhouse_http.service import QueryService

log = structlog.get_logger(__name__)
_MAX_REQUESTS = 256


class HttpApp:
    """Answers HTTP requests by a `QueryService`; more than `_MAX_REQUESTS` at once wait for their turn."""

    def __init__(self, service: QueryService) -> None:
        self._service = service
        self._threads = ThreadPoolExecutor(_MAX_REQUESTS, "request")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI connection scope."""
        if scope["type"] != "http":
            return
        loop = asyncio.get_running_loop()
        exchange = Exchange(loop, receive, send)
        try:
            await exchange.prefetch()
            await loop.run_in_executor(self._threads, self._handle, scope, exchange)
        finally:
            await exchange.close()

    def _handle(self, scope: dict[str, Any], exchange: Exchange) -> None:
        try:
            self._service.handle(read_request(scope), exchange)
        except Exception:
            log.exception("request_failed", path=scope["path"])
            if not exchange.started:
                exchange.start(500, {"Content-Type": "text/plain; charset=UTF-8"})
                error = ClickHouseError(UNKNOWN_EXCEPTION, "The server failed; its log has the reason.")
                exchange.finish(f"{error}\n".encode())
