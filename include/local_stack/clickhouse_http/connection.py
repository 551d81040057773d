"""One connection to the engine: settings of a request laid over those of its session, queries, inserts."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_stack.clickhouse_http.errors import SYNTAX_ERROR, ClickHouseError, from_engine
from local_stack.clickhouse_http.stats import QueryStats
from local_stack.clickhouse_http.tokens import tokenize


@dataclass(frozen=True)
class Verdict:
    """What the engine's parser says of a statement, without running it.

    Attributes:
        kind: READ_ONLY, MUTATING, MUTATING_GLOBAL, CONTROL or UNKNOWN.
        statements: how many there are; 0 when the text does not parse.
    """

    kind: str
    statements: int


def quote(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quote_name(name: str) -> str:
    """An identifier in backticks."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


class EngineConnection:
    """A connection that is used by one request at a time.

    Args:
        raw: the engine's own connection.
        base: settings that the server lays under everything, by name.
    """

    def __init__(self, raw: Any, base: Mapping[str, str]) -> None:
        self._raw = raw
        self._closing = threading.Lock()
        # name → literal, as the session has it; what is missing here has the engine's default
        self._own = {name: quote(value) for name, value in base.items()}
        self._applied: dict[str, str] = {}
        self._own_database = self._database = "default"

    def configure(self, settings: Mapping[str, str], database: str | None) -> None:
        """Make the connection's settings those of the session with `settings` over them.

        Args:
            settings: the request's own settings; they are taken back by the next call.
            database: the request's database, or None for the session's.

        Raises:
            ClickHouseError: a setting or the database does not exist.
        """
        wanted = database or self._own_database
        if wanted != self._database:
            self._command(f"USE {quote_name(wanted)}")
            self._database = wanted
        changes = {name: self._own.get(name, "DEFAULT") for name in self._applied if name not in settings} | {
            name: quote(value) for name, value in settings.items() if self._applied.get(name) != value
        }
        if changes:
            self._command(
                "SET " + ", ".join(f"{quote_name(name)} = {value}" for name, value in changes.items())
            )
        self._applied = dict(settings)

    def keep(self, first: str, sql: str) -> None:
        """Take note of a SET or USE that the session keeps.

        Args:
            first: the statement's first keyword.
            sql: the statement, which has run.
        """
        if first == "USE":
            self._own_database = self._database = (
                bytes(self._query("SELECT currentDatabase()").bytes()).decode().strip()
            )
        if first == "SET":
            self._own.update(_assignments(sql))

    def classify(self, sql: str) -> Verdict:
        """Ask the engine's parser what `sql` would do."""
        found = self._raw.classify_query(sql)
        return Verdict(found["query_class"].name, found["statement_count"])

    def check_syntax(self, sql: str) -> None:
        """Raise the engine's syntax error for `sql`, if it has one; nothing is run."""
        self._query(f"EXPLAIN AST {sql}")

    def execute(self, sql: str, form: str, params: Mapping[str, str]) -> tuple[bytes, QueryStats]:
        """Run a statement and return its whole answer in the format `form`."""
        result = self._query(sql, form, params)
        return bytes(result.bytes()), _stats(result)

    def insert(self, sql: str, params: Mapping[str, str]) -> QueryStats:
        """Run an INSERT that reads a file; what cannot be written is an error."""
        return _written(self._query(sql, params=params))

    def close(self) -> None:
        """Close it; temporary tables go with it. Safe to call twice."""
        with self._closing:
            raw, self._raw = self._raw, None
            if raw is not None:
                raw.close()

    def _command(self, sql: str) -> None:
        self._query(sql)

    def _query(self, sql: str, form: str = "TSV", params: Mapping[str, str] | None = None) -> Any:
        return self._guarded(self._raw.query, sql, form, params=dict(params or {}))

    def _guarded(self, call: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except RuntimeError as error:
            raise from_engine(error) from error
        except UnicodeDecodeError as error:
            # an error text that quotes bytes of the data which are no UTF-8
            text = bytes(error.object).decode("utf-8", "replace")
            raise from_engine(RuntimeError(text)) from error
        except UnicodeEncodeError as error:
            raise ClickHouseError(
                SYNTAX_ERROR, "The query is not valid UTF-8: send it encoded as UTF-8."
            ) from error


def _stats(result: Any) -> QueryStats:
    return QueryStats(
        read_rows=result.storage_rows_read(),
        read_bytes=result.storage_bytes_read(),
        written_rows=result.rows_written(),
        written_bytes=result.bytes_written(),
        result_rows=result.rows_read() or result.rows_written(),
        result_bytes=result.bytes_read() or result.bytes_written(),
        elapsed_ns=int(result.elapsed() * 1e9),
    )


def _written(result: Any) -> QueryStats:
    rows, size = result.rows_written(), result.bytes_written()
    return QueryStats(
        read_rows=rows,
        read_bytes=size,
        written_rows=rows,
        written_bytes=size,
        total_rows_to_read=0,
        result_rows=rows,
        result_bytes=size,
        elapsed_ns=int(result.elapsed() * 1e9),
    )


def _assignments(sql: str) -> dict[str, str]:
    """Names and literals of `SET a = 1, b = 'x'`; a value ends at the next comma outside brackets."""
    found: dict[str, str] = {}
    name, begin = "", -1
    tokens = [token for token in tokenize(sql) if token.text != ";"]
    for index, token in enumerate(tokens[1:], start=1):
        if token.text == "=" and token.depth == 0:
            name, begin = tokens[index - 1].text.strip('`"'), token.end
        last = index + 1 == len(tokens)
        if name and (last or (token.text == "," and token.depth == 0)):
            found[name] = sql[begin : token.end if last else token.start].strip()
            name = ""
    return found
