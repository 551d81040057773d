"""Counts what a server sends to one client: the client talks to a relay on loopback instead of to it."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from types import TracebackType
from typing import Self

from cdc.connections import Connection

HOST = "127.0.0.1"
BUFFER = 1 << 16
CONNECT_S = 10.0


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    relay: Relay


class _Forward(socketserver.BaseRequestHandler):
    """One connection of the client, with its own connection to the server."""

    def handle(self) -> None:
        """Pass on what both sides say until both have ended."""
        server = self.server
        assert isinstance(server, _Server)  # noqa: S101 - socketserver knows only its base class
        relay, client = server.relay, self.request
        with socket.create_connection(relay.target, CONNECT_S) as target:
            target.settimeout(None)
            for end in (client, target):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asks = threading.Thread(target=_pump, args=(client, target, None), daemon=True)
            asks.start()
            _pump(target, client, relay)
            asks.join()


def _pump(source: socket.socket, target: socket.socket, relay: Relay | None) -> None:
    # A side that has gone is not to be told of; what the other one sent until then was counted.
    with contextlib.suppress(OSError):
        while data := source.recv(BUFFER):
            if relay is not None:
                relay.count(len(data))
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_WR if end is target else socket.SHUT_RD)


class Relay:
    """A relay to one server while the block runs.

    Args:
        connection: the server.
        default_port: when the connection names none.
    """

    def __init__(self, connection: Connection, default_port: int = 0) -> None:
        self.target = (connection.host, connection.port or default_port)
        self._connection, self._sent, self._lock = connection, 0, threading.Lock()
        self._server = _Server((HOST, 0), _Forward)
        self._server.relay = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def __enter__(self) -> Self:
        """Listen on a port of its own."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take no more connections."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def connection(self) -> Connection:
        """The server's connection, by way of the relay."""
        port = self._server.server_address[1]
        return self._connection.model_copy(update={"host": HOST, "port": port})

    @property
    def sent(self) -> int:
        """Bytes that the server has sent so far: what TCP carried, as compressed as it was."""
        with self._lock:
            return self._sent

    def count(self, size: int) -> None:
        """More bytes came from the server."""
        with self._lock:
            self._sent += size
