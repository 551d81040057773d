"""The queries that run now, under the ids that clients know."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from local_stack.clickhouse_http.connection import quote
from local_stack.clickhouse_http.engine import Engine
from local_stack.clickhouse_http.errors import SAME_ID_RUNS, ClickHouseError
from local_stack.clickhouse_http.tokens import tokenize

# A setting that the engine shows for each process and that changes nothing here, as it has no query cache.
TAG_SETTING = "query_cache_tag"
_FIND = "SELECT query_id FROM system.processes WHERE Settings['query_cache_tag'] = {tag:String}"


@dataclass(frozen=True)
class RunningQuery:
    """A query: the client's id, and the setting by which the engine's list of processes shows it."""

    query_id: str
    tag: str


class RunningQueries:
    """Finds and stops queries by the client's id; the engine gives each an id of its own.

    Args:
        engine: whose processes they are.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._queries: dict[str, RunningQuery] = {}

    @contextmanager
    def enter(self, query_id: str, tag: str) -> Iterator[RunningQuery]:
        """Have the query listed while it runs.

        Raises:
            ClickHouseError: one with this id runs already.
        """
        query = RunningQuery(query_id, tag)
        with self._lock:
            if query_id in self._queries:
                raise ClickHouseError(SAME_ID_RUNS, f"Query with id = {query_id} is already running.")
            self._queries[query_id] = query
        try:
            yield query
        finally:
            with self._lock:
                self._queries.pop(query_id, None)

    def kill(self, query: RunningQuery) -> bool:
        """Tell the engine to stop a query; returns before it has, and whether the engine runs it."""
        sql = "KILL QUERY WHERE Settings['query_cache_tag'] = {tag:String} ASYNC"
        return bool(self._engine.ask(sql, {"tag": query.tag}))

    def kill_all(self) -> None:
        """Tell the engine to stop every query of a client."""
        with self._lock:
            queries = list(self._queries.values())
        for query in queries:
            self.kill(query)

    def translate(self, sql: str) -> str:
        """A KILL QUERY statement with the clients' ids in it replaced by the engine's."""
        for token in reversed(list(tokenize(sql))):
            if token.kind != "string":
                continue
            with self._lock:
                query = self._queries.get(token.text[1:-1])
            if query is not None:
                found = self._engine.ask(_FIND, {"tag": query.tag}).split("\n")
                sql = sql[: token.start] + quote(found[0]) + sql[token.end :]
        return sql
