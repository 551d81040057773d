"""Waits until the source shows what its log tells.

Under synchronous replication a commit is in the log, and its events may be in Kafka, while the transaction
waits for a standby; until then no SELECT sees its rows, and one that is read there would be of before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg

from cdc.errors import ConfigurationError, UnavailableError

LIMIT_S = 15.0
_POLL_S = 0.02
_SETTINGS = """
    SELECT current_setting('synchronous_standby_names'), current_user,
      pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
"""
_WAITING = "SELECT pid, xact_start FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


def wait_visible(
    cursor: psycopg.Cursor[Any], limit_s: float = LIMIT_S, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Return once a SELECT that begins now sees all that was logged when this was called.

    Args:
        cursor: at the source, in a transaction whose statements have a snapshot each.
        limit_s: how long to wait.
        sleep: as in `time`.

    Raises:
        UnavailableError: transactions wait for their standby for longer.
        ConfigurationError: the role may not see which do.
    """
    standbys, role, may_look = cursor.execute(_SETTINGS).fetchone() or ("", "", False)
    if not standbys:
        return
    if not may_look:
        raise ConfigurationError(
            f"the source replicates synchronously (synchronous_standby_names = {standbys!r}), and role "
            f"{role} may not see which transactions wait for a standby, whose rows cannot be read yet: "
            f"GRANT pg_read_all_stats TO {role}"
        )
    waiting, deadline = _waiting(cursor), time.monotonic() + limit_s
    while waiting:
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"{len(waiting)} transaction(s) of the source wait for a synchronous standby ({standbys}), "
                "and their rows cannot be read before: see why it does not answer"
            )
        sleep(_POLL_S)
        waiting &= _waiting(cursor)


def _waiting(cursor: psycopg.Cursor[Any]) -> set[tuple[Any, ...]]:
    # A transaction keeps what it has seen of other sessions.
    cursor.execute("SELECT pg_stat_clear_snapshot()")
    return set(cursor.execute(_WAITING).fetchall())
