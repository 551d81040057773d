"""What a request asks for: the statement's kind, where its format clause is, where inserted data begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice, pairwise

from local_stack.clickhouse_http.errors import (
    INTO_OUTFILE_NOT_ALLOWED,
    SYNTAX_ERROR,
    UNKNOWN_TYPE_OF_QUERY,
    ClickHouseError,
)
from local_stack.clickhouse_http.tokens import Token, tokenize

_NAME_FOLLOWS = ("INTO", "TABLE", "FUNCTION")
# Whoever sends data this long after INSERT without VALUES, FORMAT or SELECT sends no INSERT.
MAX_HEAD = 1 << 20


class Kind(Enum):
    """How a statement is run."""

    SELECT = "rows are streamed to the client"
    INSERT = "data follow the statement"
    INSERT_INPUT = "data follow, and are read by the input() table function"
    OTHER = "the statement is complete and its answer is short"


@dataclass(frozen=True)
class Statement:
    """A statement, cut where this server has to cut it.

    Attributes:
        kind: how it is run.
        text: the statement without data; of an INSERT, without FORMAT or VALUES.
        first: its first keyword in upper case, empty when there is none.
        format: the format named in the statement, or None.
        head: of a SELECT, the text before its FORMAT clause.
        tail: of a SELECT, the text after it (a SETTINGS clause, or nothing).
        data_at: of an INSERT, the offset of the first byte of data.
    """

    kind: Kind
    text: str
    first: str
    format: str | None = None
    head: str = ""
    tail: str = ""
    data_at: int = 0


def parse_statement(buffer: bytes, *, complete: bool) -> Statement | None:
    """Find out what `buffer` asks for.

    Args:
        buffer: the request's text so far, data of an INSERT included.
        complete: whether nothing follows `buffer`.

    Returns:
        The statement, or None when more of the request is needed.

    Raises:
        ClickHouseError: it uses a file of the client's or the server's machine.
    """
    # latin-1 keeps offsets in the text equal to offsets in the bytes, whatever an INSERT's data are
    text = buffer.decode("latin-1")
    start = list(islice(tokenize(text), 2))
    first = start[0].text.upper() if start and start[0].kind in {"word", "open"} else ""
    if first == "INSERT":
        found = _parse_insert(text, buffer, complete=complete)
        if found is not None or (not complete and len(buffer) < MAX_HEAD):
            return found
    if not complete:
        return None
    whole = buffer.decode("utf-8", "surrogateescape")
    if first == "INSERT":
        return Statement(Kind.OTHER, whole, first)
    return _parse_query(whole, first)


def _parse_query(text: str, first: str) -> Statement:
    tokens = list(tokenize(text))
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    if not tokens:
        raise ClickHouseError(
            SYNTAX_ERROR, "Syntax error: empty query. Send SQL in the URL's `query` or the body."
        )
    cut, name = _find_format(tokens)
    for left, right in pairwise(tokens):
        if left.depth == 0 and left.is_word("INTO") and right.is_word("OUTFILE"):
            raise ClickHouseError(INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE is not allowed: read the response.")
    inserts = any(token.depth == 0 and token.is_word("INSERT") for token in tokens)
    if first not in {"SELECT", "WITH", "(", "FROM"} or inserts:
        return Statement(Kind.OTHER, text, first, format=name)
    if name is None:
        end = tokens[-1].end
        return Statement(Kind.SELECT, text, first, head=text[:end])
    after = tokens[cut + 2 :]
    tail = text[after[0].start : after[-1].end] if after else ""
    return Statement(Kind.SELECT, text, first, format=name, head=text[: tokens[cut].start], tail=tail)


def _find_format(tokens: Sequence[Token]) -> tuple[int, str | None]:
    """The index of the closing FORMAT keyword and the format's name; (-1, None) when there is none."""
    for index in range(len(tokens) - 2, -1, -1):
        token, name = tokens[index], tokens[index + 1]
        if token.depth or not token.is_word("FORMAT") or name.kind not in {"word", "quoted"}:
            continue
        rest = tokens[index + 2 :]
        if not rest or rest[0].is_word("SETTINGS"):
            return index, name.text.strip('`"')
    return -1, None


def _parse_insert(text: str, buffer: bytes, *, complete: bool) -> Statement | None:
    previous: Token | None = None
    select: list[Token] | None = None
    for token in tokenize(text):
        named = previous is not None and (previous.is_word(*_NAME_FOLLOWS) or previous.text == ".")
        if previous is not None and _names_format(previous, token):
            if select is not None:
                return _after_select(buffer, select, token, complete=complete)
            return _with_data(Kind.INSERT, buffer, previous.start, token, complete=complete)
        if select is not None:
            select.append(token)
        elif token.depth == 0 and not named and token.is_word("VALUES"):
            return Statement(
                Kind.INSERT, _utf8(buffer[: token.start]), "INSERT", format="Values", data_at=token.end
            )
        elif token.is_word("SELECT", "WITH", "WATCH") and not named:
            select = [token]
        elif token.is_word("INFILE") and previous is not None and previous.is_word("FROM"):
            raise ClickHouseError(UNKNOWN_TYPE_OF_QUERY, "FROM INFILE is not allowed: send the data.")
        # a table may be called format
        previous = None if named and token.is_word("FORMAT") else token
    return None


def _names_format(previous: Token, token: Token) -> bool:
    """Whether `token` is the name behind a FORMAT keyword outside brackets."""
    if previous.depth or not previous.is_word("FORMAT"):
        return False
    return token.kind in {"word", "quoted"}


def _after_select(buffer: bytes, select: list[Token], name: Token, *, complete: bool) -> Statement | None:
    uses_input = any(left.is_word("INPUT") and right.text == "(" for left, right in pairwise(select))
    return (
        _with_data(Kind.INSERT_INPUT, buffer, select[-1].start, name, complete=complete)
        if uses_input
        else None
    )


def _with_data(kind: Kind, buffer: bytes, cut: int, name: Token, *, complete: bool) -> Statement | None:
    """The statement whose FORMAT keyword is at `cut`; its data begin behind the first line break."""
    at = name.end
    if not complete and len(buffer) < at + 2:
        return None
    while buffer[at : at + 1] in {b" ", b"\t", b"\f"}:
        at += 1
    if not complete and len(buffer) < at + 2:
        return None
    if buffer[at : at + 1] == b";":
        raise ClickHouseError(SYNTAX_ERROR, "You have excessive ';' symbol before data for INSERT.")
    if buffer[at : at + 1] == b"\r":
        at += 1
    if buffer[at : at + 1] == b"\n":
        at += 1
    return Statement(kind, _utf8(buffer[:cut]), "INSERT", format=name.text.strip('`"'), data_at=at)


def reading_file(statement: Statement, path: str) -> str:
    """The text of an INSERT that takes its data from a file.

    Args:
        statement: one of kind INSERT, or INSERT_INPUT, whose `input('structure')` becomes the file.
        path: the file with the data, in the statement's format.
    """
    text = statement.text
    tokens = list(tokenize(text))
    if statement.kind is Kind.INSERT:
        at = max((a.start for a, b in pairwise(tokens) if _begins_settings(a, b)), default=len(text))
        return f"{text[:at]} FROM INFILE '{path}' {text[at:]} FORMAT `{statement.format}`"
    for left, right in reversed(list(pairwise(tokens))):
        if left.is_word("INPUT") and right.text == "(":
            source = f"file('{path}', '{statement.format}', "
            text = text[: left.start] + source + text[right.end :]
    return text


def _begins_settings(token: Token, following: Token) -> bool:
    # a table or a column may have the name
    return token.depth == 0 and token.is_word("SETTINGS") and following.kind == "word"


def _utf8(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
