"""Runs a case's scripts at the source, exactly as written, on connections that live through the case."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import psycopg

from cdc.errors import SpecError
from local_stack.cases.case_file import Case, Section

POLL_S = 0.05
BLOCKED_AFTER_S = 0.5
STEP_LIMIT_S = 300.0


@dataclass
class _Session:
    """A connection, and the thread that runs its scripts one after the other."""

    connection: psycopg.Connection[Any]
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(max_workers=1))
    running: Future[None] | None = None


class CaseScripts:
    """The scripts of one case; a context manager.

    A script that waits for a lock of another session of the same case is left waiting, and the case goes on:
    that is how a case lets two sessions race.
    """

    def __init__(self, case: Case, dsn: str) -> None:
        """Nothing is opened before the first script."""
        self.case, self._dsn = case, dsn
        self._sessions: dict[str | None, _Session] = {}
        self._watch: psycopg.Connection[Any] | None = None

    def __enter__(self) -> Self:
        """Nothing to do yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what still runs and close the connections; open transactions are rolled back."""
        for session in self._sessions.values():
            if session.running is not None and not session.running.done():
                session.connection.cancel_safe(timeout=5)
            session.thread.shutdown(wait=True)
            session.connection.close()
        self._sessions.clear()
        if self._watch is not None:
            self._watch.close()

    @property
    def in_transaction(self) -> bool:
        """Whether a session holds a transaction open."""
        idle = psycopg.pq.TransactionStatus.IDLE
        return any(s.connection.info.transaction_status != idle for s in self._sessions.values())

    def run(self, *sections: Section) -> None:
        """Run scripts in turn.

        Raises:
            SpecError: PostgreSQL refuses one; names file and line.
        """
        for section in sections:
            session = self._session(section.session)
            self._await(session)
            session.running = session.thread.submit(self._execute, session.connection, section)
            self._await(session, or_blocked=True)

    def finish(self) -> None:
        """Wait for the scripts that were left waiting, then close every connection.

        Raises:
            SpecError: as `run`.
        """
        try:
            for session in self._sessions.values():
                self._await(session)
        finally:
            self.__exit__(None, None, None)

    def _session(self, name: str | None) -> _Session:
        if name not in self._sessions:
            connection = psycopg.connect(
                self._dsn, autocommit=True, prepare_threshold=None, application_name=f"case {name or ''}"
            )
            self._sessions[name] = _Session(connection)
        return self._sessions[name]

    def _execute(self, connection: psycopg.Connection[Any], section: Section) -> None:
        try:
            # Without parameters the text is sent as one simple query, however many statements it holds.
            connection.execute(section.text.encode())
        except psycopg.Error as error:
            raise SpecError(
                self.case.file, _line(section, error), section.title, " ".join(str(error).split())
            ) from error

    def _await(self, session: _Session, *, or_blocked: bool = False) -> None:
        begun = time.monotonic()
        while session.running is not None and not session.running.done():
            waited = time.monotonic() - begun
            if or_blocked and waited > BLOCKED_AFTER_S and self._waits_for_us(session):
                return
            if waited > STEP_LIMIT_S:
                raise SpecError(self.case.file, 0, "step", f"does not end within {STEP_LIMIT_S:.0f} s")
            time.sleep(POLL_S)
        if session.running is not None:
            done, session.running = session.running, None
            done.result()

    def _waits_for_us(self, session: _Session) -> bool:
        if self._watch is None:
            self._watch = psycopg.connect(self._dsn, autocommit=True)
        row = self._watch.execute(
            "SELECT pg_blocking_pids(%s)", (session.connection.info.backend_pid,)
        ).fetchone()
        own = {other.connection.info.backend_pid for other in self._sessions.values()}
        return bool(row and own & set(row[0]))


def _line(section: Section, error: psycopg.Error) -> int:
    """The line of the file that PostgreSQL's position points at, or the script's first one."""
    position = int(error.diag.statement_position or 1)
    return section.line + section.text[: position - 1].count("\n")
