"""A webhook on a real socket: what arrives there, and what its failures say and keep to themselves."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from cdc.clients.webhook import WebhookClient
from cdc.connections import Connection
from cdc.errors import ConfigurationError, UnavailableError
from tests.receiver import Receiver, receiving

TOKEN = "services/T0/B0/very-secret"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        server.answer = "no_team"
        yield server


def to(receiver: Receiver, **more: Any) -> Connection:
    values = {"host": "127.0.0.1", "port": receiver.server_port, "password": TOKEN} | more
    return Connection(id="cdc_hook", conn_type="http", **values)


def test_posts_json_to_the_secret_address(receiver: Receiver) -> None:
    WebhookClient(to(receiver)).post({"text": "größer"})
    assert receiver.taken == [(f"/{TOKEN}", {"text": "größer"})]


def test_the_address_may_be_the_host_as_in_airflow_s_connections_to_slack(receiver: Receiver) -> None:
    whole = f"http://127.0.0.1:{receiver.server_port}/hooks/"
    WebhookClient(to(receiver, host=whole, port=None)).post({})
    assert receiver.taken == [(f"/hooks/{TOKEN}", {})]
    with pytest.raises(ConfigurationError, match="write the port into the address"):
        WebhookClient(to(receiver, host=whole))


@pytest.mark.parametrize("status", [302, 404, 500, 503])
def test_any_other_answer_is_an_error_that_keeps_the_secret(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(UnavailableError, match=f"webhook cdc_hook answered {status}: no_team") as caught:
        WebhookClient(to(receiver)).post({})
    assert "secret" not in str(caught.value)
    assert len(receiver.taken) == 1


@pytest.mark.parametrize(
    "answer",
    [
        f"POST http://127.0.0.1:PORT/hooks/{TOKEN}",
        f"no such path: /hooks/{TOKEN}",
        f"no such team: {TOKEN}",
        # The cut at 200 characters goes through the secret.
        f"{'x' * 180} {TOKEN}",
    ],
)
def test_an_answer_that_repeats_the_secret_is_told_without_it(receiver: Receiver, answer: str) -> None:
    receiver.status, receiver.answer = 404, answer.replace("PORT", str(receiver.server_port))
    whole = f"http://127.0.0.1:{receiver.server_port}/hooks/"
    with pytest.raises(UnavailableError, match=r"answered 404: .*…") as caught:
        WebhookClient(to(receiver, host=whole, port=None)).post({})
    assert "services" not in str(caught.value)


def test_one_that_is_away_or_silent_is_an_error_that_keeps_the_secret(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdc.clients.webhook._TIMEOUT_S", (0.3, 0.3))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(UnavailableError, match="does not answer: ConnectionError") as refused:
            WebhookClient(to(receiver, port=silent.getsockname()[1])).post({})
        silent.listen()
        with pytest.raises(UnavailableError, match="does not answer: ReadTimeout") as late:
            WebhookClient(to(receiver, port=silent.getsockname()[1])).post({})
    assert "secret" not in f"{refused.value} {late.value}"
