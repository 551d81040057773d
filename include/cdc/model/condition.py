"""A condition that a person has written for a backfill: what can be said of it without the source. Pure.

The source's own parser decides whether it is an expression (`cdc.services.source_keys`). This sees to it that
the text stays one: no second statement, no comment, no parenthesis that closes another one's, no subquery;
and it names the functions, of which the source is asked whether they have effects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from cdc.errors import ConfigurationError

MAX_LENGTH = 2_000
_SHOWN = 200
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")+")
    |(?P<name>[^\W\d][\w$]*)
    |(?P<number>\d[\w.]*)
    |(?P<comment>--|/\*)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_ALONE = frozenset(";$\\'\"")
_SUBQUERY = frozenset({"select", "table", "values", "with", "insert", "update", "delete", "merge"})
_NOT_FUNCTIONS = frozenset({"in", "and", "or", "not", "any", "some", "all", "array", "row", "case", "when",
                            "then", "else", "between", "like", "ilike", "is", "cast", "escape", "similar",
                            "to", "from", "collate", "exists"})  # fmt: skip
"""Words before a parenthesis that call nothing."""


def functions_of(text: str) -> frozenset[str]:
    """The names of the functions that a condition calls, in the case in which PostgreSQL looks them up.

    Raises:
        ConfigurationError: the text cannot be a single expression without a subquery.
    """
    if not text.strip() or len(text) > MAX_LENGTH or "\0" in text:
        raise refused(text, f"it is empty, longer than {MAX_LENGTH} characters, or has a zero byte")
    listed = list(_tokens(text))
    for kind, word in listed:
        if kind == "comment" or word in _ALONE:
            raise refused(text, f"it has {word!r} outside of a string")
        if kind == "name" and word.lower() in _SUBQUERY:
            raise refused(text, f"it has the word {word}, and subqueries are not taken")
    _balanced(text, [word for kind, word in listed if kind == "other"])
    found: set[str] = set()
    for (kind, word), (next_kind, following) in pairwise(listed):
        is_prefix = (kind == "name" or word == "&") and next_kind in ("string", "quoted")
        if is_prefix and f"{word}{following}" in text:
            # `E'…'` and `U&"…"` read their backslashes.
            raise refused(text, f"it has a prefixed string ({word}{following})")
        if following == "(" and (kind == "quoted" or (kind == "name" and word.lower() not in _NOT_FUNCTIONS)):
            found.add(word[1:-1].replace('""', '"') if kind == "quoted" else word.lower())
    return frozenset(found)


def _balanced(text: str, marks: Iterable[str]) -> None:
    depth = 0
    for mark in marks:
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if depth < 0:
            raise refused(text, "a parenthesis closes that none has opened")
    if depth:
        raise refused(text, "a parenthesis is left open")


def refused(text: str, why: str) -> ConfigurationError:
    """The error for a condition that is not taken."""
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return ConfigurationError(
        f"received the condition {shown!r}: {why}; expected one boolean expression over the table's columns, "
        "such as: status = 'paid' AND ordered_at >= '2026-01-01'"
    )


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind != "space":
            yield kind, match.group()
