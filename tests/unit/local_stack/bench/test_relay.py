"""The relay passes on what both sides say, and counts the server's bytes alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from cdc.connections import Connection
from local_stack.bench.relay import Relay

ANSWER = b"x" * 300_000


@pytest.fixture
def server() -> Iterator[Connection]:
    """Answers each connection once its client has said all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    while client.recv(4096):
                        pass
                    client.sendall(ANSWER)

        threading.Thread(target=serve, daemon=True).start()
        yield Connection(
            id="db", conn_type="http", host="127.0.0.1", port=listener.getsockname()[1], login="me"
        )
        listener.shutdown(socket.SHUT_RDWR)


def ask(connection: Connection, question: bytes) -> bytes:
    answer = b""
    with socket.create_connection((connection.host, connection.port), 10) as client:
        client.sendall(question)
        client.shutdown(socket.SHUT_WR)
        while data := client.recv(1 << 16):
            answer += data
    return answer


def test_what_the_server_sends_arrives_and_is_counted_over_all_connections(server):
    with Relay(server) as relay:
        assert relay.connection.login == "me"
        for count in (1, 2):
            assert ask(relay.connection, b"question" * 1000) == ANSWER
            assert relay.sent == count * len(ANSWER)


def test_a_client_that_leaves_early_does_not_stop_the_relay(server):
    with Relay(server) as relay:
        with socket.create_connection((relay.connection.host, relay.connection.port), 10) as client:
            client.sendall(b"question")
        assert ask(relay.connection, b"question") == ANSWER
