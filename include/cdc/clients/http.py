"""JSON over HTTP with time limits, retries and the platform's errors; below the Connect and YARN clients."""

from __future__ import annotations

from typing import Any

import requests
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from cdc.errors import TerminalError, UnavailableError

_RETRIED = frozenset({409, 429, 500, 502, 503, 504})


class HttpError(TerminalError):
    """The service understood the request and refuses it.

    Attributes:
        status: the HTTP status.
        body: what the service said.
    """

    def __init__(self, status: int, body: str, message: str) -> None:
        self.status, self.body = status, body
        super().__init__(message)


class JsonClient:
    """Calls one service.

    Args:
        what: the service's name, for messages.
        url: its base address.
        timeout_s: of one call.
        attempts: how often a call is made when the service is away or busy (409, 429, 5xx).
    """

    def __init__(self, what: str, url: str, timeout_s: float = 15.0, attempts: int = 4) -> None:
        self.what, self.url, self._timeout, self._attempts = what, url.rstrip("/"), timeout_s, attempts
        self._session = requests.Session()
        # A proxy of the surroundings must not stand between services of one platform.
        self._session.trust_env = False

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Make a call; returns the answer's JSON, or None when there is no body.

        Raises:
            UnavailableError: no answer, or a busy one, after every attempt.
            HttpError: the service refuses the request.
        """
        for attempt in Retrying(
            retry=retry_if_exception_type(UnavailableError),
            stop=stop_after_attempt(self._attempts),
            wait=wait_exponential_jitter(multiplier=0.3, max=4),
            reraise=True,
        ):
            with attempt:
                return self._once(method, path, body, query)
        raise AssertionError("a retry loop ended without a result or an error")

    def _once(self, method: str, path: str, body: Any, query: dict[str, str]) -> Any:
        address = f"{self.url}{path}"
        try:
            answer = self._session.request(
                method,
                address,
                json=body,
                params=query or None,
                headers={"Accept": "application/json"},
                timeout=(5.0, self._timeout),
            )
        except requests.RequestException as error:
            raise UnavailableError(f"{self.what} does not answer at {self.url}: {_cause(error)}") from error
        if answer.status_code in _RETRIED:
            raise UnavailableError(f"{self.what}: {method} {path} gave {answer.status_code}: {_said(answer)}")
        if answer.status_code >= 400:
            message = f"{self.what}: {method} {path} gave {answer.status_code}: {_said(answer)}"
            raise HttpError(answer.status_code, answer.text, message)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise UnavailableError(
                f"{self.what}: {method} {path} gave no JSON: {answer.text:.120}"
            ) from error


def _said(answer: requests.Response) -> str:
    try:
        document = answer.json()
    except ValueError:
        return answer.text[:300]
    return (
        str(document.get("message") or document)[:1000] if isinstance(document, dict) else str(document)[:300]
    )


def _cause(error: requests.RequestException) -> str:
    """The innermost cause, since requests wraps it in several layers of text."""
    inner: BaseException = error
    while inner.__context__ is not None:
        inner = inner.__context__
    return f"{type(inner).__name__}: {inner}"[:200]
