"""What a read-only request may do, decided before anything runs."""

from __future__ import annotations

from local_stack.clickhouse_http.connection import Verdict
from local_stack.clickhouse_http.errors import READONLY, SYNTAX_ERROR, ClickHouseError

# what changes nothing but the request's own session, by level of `readonly`
_HARMLESS = {1: frozenset({"USE"}), 2: frozenset({"USE", "SET", "CREATE"})}


def check_statement(first: str, verdict: Verdict, readonly: int, method: str) -> None:
    """Refuse several statements at once, and what a read-only request may not do.

    Args:
        first: the statement's first keyword in upper case.
        verdict: what the engine's parser says.
        readonly: 0 everything, 1 reads only, 2 reads and settings.
        method: the request's method, for the message.

    Raises:
        ClickHouseError: READONLY, or SYNTAX_ERROR for several statements.
    """
    if verdict.statements > 1:
        raise ClickHouseError(
            SYNTAX_ERROR,
            "Syntax error (Multi-statements are not allowed): send one statement with each request.",
        )
    if not readonly or verdict.kind in {"READ_ONLY", "UNKNOWN"}:
        return
    if verdict.kind == "CONTROL" and first in _HARMLESS[readonly]:
        return
    hint = (
        ""
        if method == "POST"
        else (
            f" For queries over HTTP, method {method} implies readonly. "
            "You should use method POST for modifying queries."
        )
    )
    raise ClickHouseError(READONLY, f"Cannot execute query in readonly mode.{hint}")


def check_settings(settings: bool, readonly: int) -> None:
    """Refuse settings in a request that may only read.

    Args:
        settings: whether the request has any.
        readonly: as for `check_statement`.
    """
    if settings and readonly == 1:
        raise ClickHouseError(READONLY, "Cannot modify settings in readonly mode.")
