"""HTTP sessions: a connection that outlives its request, used by one request at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from local_stack.clickhouse_http.connection import EngineConnection
from local_stack.clickhouse_http.errors import (
    INVALID_SESSION_TIMEOUT,
    SESSION_IS_LOCKED,
    SESSION_NOT_FOUND,
    ClickHouseError,
)

DEFAULT_TIMEOUT_S = 60
MAX_TIMEOUT_S = 3600


@dataclass(frozen=True)
class SessionRequest:
    """What a request says about its session; an empty id means a session of one request.

    Attributes:
        session_id: the client's name for it; sessions of different users never meet.
        timeout_s: how long it is kept after its last request.
        check: whether it must exist already.
        close: whether it ends with this request.
    """

    session_id: str = ""
    timeout_s: int = DEFAULT_TIMEOUT_S
    check: bool = False
    close: bool = False


@dataclass
class _Session:
    connection: EngineConnection
    busy: bool = True
    expires: float = field(default=0.0)


def read_session(params: Mapping[str, str]) -> SessionRequest:
    """Read `session_id`, `session_timeout`, `session_check` and `close_session` from the URL's parameters."""
    if not params.get("session_id"):
        return SessionRequest()
    text = params.get("session_timeout", str(DEFAULT_TIMEOUT_S))
    if not text.isdecimal():
        raise ClickHouseError(INVALID_SESSION_TIMEOUT, f"Invalid session timeout: '{text}'")
    if int(text) > MAX_TIMEOUT_S:
        raise ClickHouseError(
            INVALID_SESSION_TIMEOUT,
            f"Session timeout '{text}' is larger than max_session_timeout: {MAX_TIMEOUT_S}.",
        )
    return SessionRequest(
        params["session_id"],
        int(text),
        check=params.get("session_check") == "1",
        close=params.get("close_session") == "1",
    )


class SessionPool:
    """All sessions of the server.

    Args:
        connect: opens a connection to the engine.
        clock: seconds that never go back.
    """

    def __init__(
        self, connect: Callable[[], EngineConnection], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connect, self._clock = connect, clock
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str, str], _Session] = {}

    @contextmanager
    def lease(self, user: str, request: SessionRequest) -> Iterator[EngineConnection]:
        """The connection for one request; a session's one is kept afterwards.

        Raises:
            ClickHouseError: another request uses the session, or it must exist and does not.
        """
        self.expire()
        if not request.session_id:
            connection = self._connect()
            try:
                yield connection
            finally:
                connection.close()
            return
        key = (user, request.session_id)
        session = self._enter(key, request)
        try:
            yield session.connection
        finally:
            self._leave(key, session, request)

    def expire(self) -> None:
        """Close the sessions whose time has passed."""
        now = self._clock()
        with self._lock:
            late = [
                key for key, session in self._sessions.items() if not session.busy and session.expires <= now
            ]
            sessions = [self._sessions.pop(key) for key in late]
        for session in sessions:
            session.connection.close()

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            session.connection.close()

    def _enter(self, key: tuple[str, str], request: SessionRequest) -> _Session:
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                if request.check:
                    raise ClickHouseError(SESSION_NOT_FOUND, f"Session {request.session_id} not found")
                session = self._sessions[key] = _Session(self._connect())
            elif session.busy:
                raise ClickHouseError(
                    SESSION_IS_LOCKED, f"Session {request.session_id} is locked by a concurrent client"
                )
            session.busy = True
            return session

    def _leave(self, key: tuple[str, str], session: _Session, request: SessionRequest) -> None:
        with self._lock:
            session.busy = False
            session.expires = self._clock() + request.timeout_s
            if request.close:
                self._sessions.pop(key, None)
        if request.close:
            session.connection.close()
