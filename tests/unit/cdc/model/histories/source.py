"""The source: one table, two sessions with transactions and locks, and the log of what was committed.

LSNs are taken when a change is made and the log is in the order of commits, so LSNs in it rise and fall.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

KEYS = range(5)
Row = tuple[int, int]
"""A small value and a large one; the large one is stored out of line (TOAST)."""


class Change(NamedTuple):
    """A change as logical decoding tells it.

    Attributes:
        big: None when the update did not touch it: Debezium sends a placeholder.
        old: of an insert that a changed key caused, the old key.
    """

    op: str
    key: int | None
    small: int = 0
    big: int | None = None
    lsn: int = 0
    old: int | None = None


class Window(NamedTuple):
    """One end of an incremental snapshot's window, written to the log by the connector."""

    op: str
    number: int
    lsn: int


@dataclass
class Session:
    """An open transaction."""

    overlay: dict[int, Row | None] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)


class Source:
    """Rows, sessions, locks and the log; what a lock forbids does nothing."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.log: list[Change | Window] = []
        self.lsn = 10
        self.sessions = (Session(), Session())
        self.locks: dict[int, int] = {}
        self.exclusive: int | None = None
        self._values = 0

    @property
    def readable(self) -> bool:
        """A SELECT waits while a TRUNCATE is not committed."""
        return self.exclusive is None

    def next_lsn(self) -> int:
        """Where the next record is written."""
        self.lsn += 1
        return self.lsn

    def value(self, spoilt: int = 0) -> int:
        """A value never seen before; its lowest bits say which sinks cannot hold it."""
        self._values += 1
        return self._values << 3 | spoilt

    def insert(self, session: int, key: int) -> None:
        """INSERT, unless the key is there."""
        if self._lock(session, key) and self._row(session, key) is None:
            self._change(session, key, (self.value(), self.value()), "c")

    def update(self, session: int, key: int, spoilt: int = 0) -> None:
        """UPDATE of the small value: the large one is not sent."""
        if self._lock(session, key) and (row := self._row(session, key)) is not None:
            self._change(session, key, (self.value(spoilt), row[1]), "u", sent=False)

    def update_big(self, session: int, key: int, spoilt: int = 0) -> None:
        """UPDATE of the large value."""
        if self._lock(session, key) and (row := self._row(session, key)) is not None:
            small = self.value(spoilt) if spoilt else row[0]
            self._change(session, key, (small, self.value()), "u")

    def delete(self, session: int, key: int) -> None:
        """DELETE."""
        if self._lock(session, key) and self._row(session, key) is not None:
            self._change(session, key, None, "d")

    def rekey(self, session: int, key: int, to: int, with_big: bool) -> None:
        """UPDATE of the primary key: a delete and an insert with one LSN."""
        if key == to or not (self._lock(session, key) and self._lock(session, to)):
            return
        row = self._row(session, key)
        if row is None or self._row(session, to) is not None:
            return
        lsn = self.next_lsn()
        self._change(session, key, None, "d", lsn=lsn)
        row = (row[0], self.value()) if with_big else row
        self._change(session, to, row, "c", sent=with_big, lsn=lsn, old=key)

    def truncate(self, session: int) -> None:
        """TRUNCATE, once nobody else has changed a row."""
        if self.exclusive not in (None, session) or any(s != session for s in self.locks.values()):
            return
        self.exclusive = session
        here = self.sessions[session]
        here.overlay = dict.fromkeys(KEYS)
        here.changes.append(Change("t", None, lsn=self.next_lsn()))

    def reload(self, session: int) -> None:
        """Delete every row and insert it again."""
        keys = [key for key in KEYS if self._row(session, key) is not None]
        for key in keys:
            self.delete(session, key)
        for key in keys:
            self.insert(session, key)

    def commit(self, session: int) -> None:
        """COMMIT: the changes join the log in one piece."""
        here = self.sessions[session]
        for key, row in here.overlay.items():
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row
        self.log += here.changes
        self.next_lsn()
        self.rollback(session)

    def rollback(self, session: int) -> None:
        """ROLLBACK."""
        here = self.sessions[session]
        here.overlay, here.changes = {}, []
        self.locks = {key: owner for key, owner in self.locks.items() if owner != session}
        if self.exclusive == session:
            self.exclusive = None

    def _lock(self, session: int, key: int) -> bool:
        if self.exclusive not in (None, session) or self.locks.get(key, session) != session:
            return False
        self.locks[key] = session
        return True

    def _row(self, session: int, key: int) -> Row | None:
        overlay = self.sessions[session].overlay
        return overlay[key] if key in overlay else self.rows.get(key)

    def _change(
        self,
        session: int,
        key: int,
        row: Row | None,
        op: str,
        *,
        sent: bool = True,
        lsn: int = 0,
        old: int | None = None,
    ) -> None:
        here = self.sessions[session]
        here.overlay[key] = row
        lsn = lsn or self.next_lsn()
        if row is None:
            here.changes.append(Change(op, key, lsn=lsn))
        else:
            here.changes.append(Change(op, key, row[0], row[1] if sent else None, lsn, old))
