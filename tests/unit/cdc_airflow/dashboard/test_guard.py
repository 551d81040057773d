"""Another site can make a browser send a request; it can neither hide that nor know the token."""

from __future__ import annotations

import time

import pytest

from cdc_airflow.dashboard.guard import MAX_AGE_S, is_same_site, is_valid_token, issue_token, origin_of

OWN = {"http://127.0.0.1:8080"}


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "http://127.0.0.1:8080"}, True),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://127.0.0.1:8081"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "http://127.0.0.1:8080", "sec-fetch-site": "cross-site"}, False),
    ],
)
def test_only_the_own_origin_is_let_through(headers: dict[str, str], allowed: bool) -> None:
    assert is_same_site(headers, OWN) is allowed


def test_a_token_is_good_for_its_user_and_this_server_only() -> None:
    token = issue_token("secret", "anna")
    assert is_valid_token("secret", "anna", token)
    assert not is_valid_token("secret", "bert", token)
    assert not is_valid_token("other", "anna", token)
    assert not is_valid_token("secret", "anna", token[:-1])
    assert not is_valid_token("secret", "anna", "")


def test_a_token_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    token = issue_token("secret", "anna")
    later = time.time() + MAX_AGE_S + 2
    monkeypatch.setattr(time, "time", lambda: later)
    assert not is_valid_token("secret", "anna", token)


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin_of("http://127.0.0.1:8080/airflow/") == "http://127.0.0.1:8080"
