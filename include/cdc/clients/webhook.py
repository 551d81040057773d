"""A webhook that takes JSON, as Slack's incoming webhooks do."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests

from cdc.connections import Connection
from cdc.errors import ConfigurationError, UnavailableError

_TIMEOUT_S = (5.0, 10.0)


class WebhookClient:
    """Posts messages to one webhook.

    How it works: the address is a secret, since whoever knows it may post. It is in the connection: the host
    (with or without `https://`), and the rest of the path as password, as in Airflow's connections to Slack.
    No message of an error names more of it than the connection's id.
    """

    def __init__(self, connection: Connection) -> None:
        whole = "://" in connection.host
        if whole and connection.port is not None:
            raise ConfigurationError(
                f"connection {connection.id!r} has an address as host and a port besides: write the port "
                "into the address"
            )
        base = connection.host if whole else connection.url()
        self._id = connection.id
        self._url = "/".join(part.strip("/") for part in (base, connection.password) if part)
        split = urlsplit(self._url)
        secrets = {self._url, split.path.strip("/"), split.query, (connection.password or "").strip("/")}
        # Longest first: what is left of a replaced part would be told.
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)

    def post(self, payload: dict[str, Any]) -> None:
        """Send it once.

        Raises:
            UnavailableError: no answer in time, or another one than 2xx.
        """
        try:
            with requests.Session() as session:
                # The webhook may be anywhere: a proxy of the surroundings is right here, a redirect is not.
                answer = session.post(self._url, json=payload, timeout=_TIMEOUT_S, allow_redirects=False)
        except requests.RequestException as error:
            raise UnavailableError(f"webhook {self._id} does not answer: {type(error).__name__}") from None
        if not answer.ok or answer.is_redirect:
            said = " ".join(self._without_secrets(answer.text).split())[:200]
            raise UnavailableError(f"webhook {self._id} answered {answer.status_code}: {said or 'nothing'}")

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text
