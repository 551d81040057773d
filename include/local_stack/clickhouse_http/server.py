"""The process: opens the engine, serves HTTP until it is told to stop, and closes everything in order."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn

from cdc.errors import ConfigurationError
from local_stack.clickhouse_http.app import HttpApp
from local_stack.clickhouse_http.auth import UserEntry, Users
from local_stack.clickhouse_http.engine import Engine
from local_stack.clickhouse_http.reply import KEEP_ALIVE_S
from local_stack.clickhouse_http.service import QueryService

log = structlog.get_logger(__name__)
# a stop waits so long for queries to end by themselves, then tells the engine to end them
GRACE_S = 10.0
_MAX_URI = 1 << 20


@dataclass(frozen=True)
class ServerOptions:
    """Where the server listens and what it serves."""

    host: str
    port: int
    data: Path
    users: dict[str, UserEntry]
    name: str = "clickhouse"
    fsync: bool = False


class _Uvicorn(uvicorn.Server):
    """Uvicorn that leaves signals to us: the engine has handlers of its own that must be undone first."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def configure_logs(level: str) -> None:
    """Write logs to stderr as `time level event key=value`."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


def serve(options: ServerOptions) -> None:
    """Run the server until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the address or the folder cannot be used.
    """
    listener = _listen(options.host, options.port)
    engine = Engine(options.data, options.name, fsync=options.fsync)
    service = QueryService(engine, Users(options.users))
    try:
        asyncio.run(_serve(options, listener, engine, service))
    finally:
        log.info("stopping", data=str(options.data))
        service.stop()
        engine.close()
        log.info("stopped")


async def _serve(
    options: ServerOptions, listener: socket.socket, engine: Engine, service: QueryService
) -> None:
    config = uvicorn.Config(
        HttpApp(service),
        access_log=False,
        log_config=None,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(GRACE_S),
        h11_max_incomplete_event_size=_MAX_URI,
        server_header=False,
        backlog=1024,
        ws="none",
    )
    server = _Uvicorn(config)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True
        loop.call_later(GRACE_S / 2, lambda: loop.run_in_executor(None, service.kill_running))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    address = f"http://{options.host}:{listener.getsockname()[1]}"
    log.info("listening", address=address, data=str(options.data), engine=engine.version)
    await server.serve(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=1024, reuse_port=False)
        # An answer is two packets, head and body; without this the second one waits 40 ms for the client's
        # acknowledgement of the first. asyncio does it only for sockets that it has made itself.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error}. Free the port, or give another --port."
        ) from error
