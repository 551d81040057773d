"""Answers requests: health checks, and queries from authentication to the last byte."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass

import structlog

from local_stack.clickhouse_http.auth import Users, read_credentials
from local_stack.clickhouse_http.body import plain_body, read_statement
from local_stack.clickhouse_http.connection import EngineConnection
from local_stack.clickhouse_http.engine import Engine
from local_stack.clickhouse_http.errors import SYNTAX_ERROR, ClickHouseError, ClientGoneError
from local_stack.clickhouse_http.exchange import Exchange
from local_stack.clickhouse_http.external import Form, create_tables, drop_tables, read_form
from local_stack.clickhouse_http.guard import check_settings, check_statement
from local_stack.clickhouse_http.pipes import InputPipe, OutputPipe
from local_stack.clickhouse_http.reply import Reply
from local_stack.clickhouse_http.request import HttpRequest
from local_stack.clickhouse_http.running import TAG_SETTING, RunningQueries, RunningQuery
from local_stack.clickhouse_http.sessions import SessionPool, read_session
from local_stack.clickhouse_http.statement import Kind, Statement, reading_file
from local_stack.clickhouse_http.stats import QueryStats

log = structlog.get_logger(__name__)
_MAX_QUERIES = 256


@dataclass(frozen=True)
class _Query:
    """A query that is about to run."""

    request: HttpRequest
    connection: EngineConnection
    statement: Statement
    data: Iterator[bytes]
    params: dict[str, str]
    running: RunningQuery

    @property
    def form(self) -> str:
        return self.statement.format or self.request.default_format


@dataclass(frozen=True)
class _Outcome:
    """How a query ended, and the format that its answer has."""

    stats: QueryStats
    form: str


class QueryService:
    """The server behind its HTTP layer; `handle` is called in a thread for each request.

    Args:
        engine: what runs the queries.
        users: who may send them.
    """

    def __init__(self, engine: Engine, users: Users) -> None:
        self._engine, self._users = engine, users
        self._sessions = SessionPool(engine.connect)
        self._running = RunningQueries(engine)
        self._workers = ThreadPoolExecutor(_MAX_QUERIES, "engine")

    def handle(self, request: HttpRequest, exchange: Exchange) -> None:
        """Answer one request."""
        query_id = request.params.get("query_id") or request.headers.get("x-clickhouse-query-id") or ""
        reply = Reply(self._engine, request, exchange, query_id or str(uuid.uuid4()))
        try:
            if not self._answer_without_query(request, reply):
                outcome = self._answer_query(request, exchange, reply)
                # last, when the session is free again: the client's next request may follow at once
                reply.finish(outcome.stats, outcome.form)
        except ClientGoneError:
            log.info("client_gone", query_id=reply.query_id)
        except ClickHouseError as error:
            log.info("query_failed", query_id=reply.query_id, code=error.code, error=str(error)[:500])
            _skip(exchange.body())
            reply.fail(error)
        finally:
            exchange.on_gone(None)
            reply.close()

    def kill_running(self) -> None:
        """Tell the engine to stop every query of a client."""
        self._running.kill_all()

    def stop(self) -> None:
        """Stop what still runs, wait for it, and close all sessions."""
        self.kill_running()
        self._workers.shutdown(wait=True)
        self._sessions.close()

    def _answer_without_query(self, request: HttpRequest, reply: Reply) -> bool:
        reads = request.method in {"GET", "HEAD"}
        if reads and request.path in {"/ping", "/replicas_status"}:
            reply.plain(200, "Ok.\n")
        elif request.path not in {"/", "/query"}:
            reply.plain(404, f"There is no handle {request.path}\n\nUse / or /ping for health checks.\n")
        elif reads and "query" not in request.params:
            reply.plain(200, "Ok.\n")
        elif request.method == "OPTIONS":
            reply.plain(204, "")
        else:
            return False
        return True

    def _answer_query(self, request: HttpRequest, exchange: Exchange, reply: Reply) -> _Outcome:
        user = self._users.authenticate(read_credentials(request.headers, request.params))
        readonly = max(request.readonly, user.readonly) if user.readonly != 1 else 1
        settings = request.settings
        check_settings(bool(settings) and user.readonly == 1, user.readonly)
        tag = uuid.uuid4().hex
        body = plain_body(request, exchange.body())
        with self._sessions.lease(user.name, read_session(request.params)) as connection:
            connection.configure({**settings, TAG_SETTING: tag}, request.database)
            form = read_form(request.headers["content-type"], body) if request.multipart else Form()
            tables: list[str] = []
            try:
                fields = {name[6:]: text for name, text in form.fields.items() if name.startswith("param_")}
                text = request.params.get("query") or form.fields.get("query", "")
                statement, data = read_statement(text, body)
                self._check(connection, statement, readonly, request.method)
                tables = create_tables(connection, form.files, request.external)
                with self._running.enter(reply.query_id, tag) as running:
                    params = request.query_params | fields
                    query = _Query(request, connection, statement, data, params, running)
                    return self._run(query, exchange, reply)
            finally:
                form.close()
                drop_tables(connection, tables)

    def _check(self, connection: EngineConnection, statement: Statement, readonly: int, method: str) -> None:
        text = statement.text
        if statement.kind in {Kind.INSERT, Kind.INSERT_INPUT}:
            text += " FORMAT Null"
        verdict = connection.classify(text)
        if readonly and verdict.kind == "UNKNOWN":
            # what this parser does not know is a mistake; the engine says which, without running it
            connection.check_syntax(text)
            raise ClickHouseError(SYNTAX_ERROR, "Syntax error: the query cannot be read.")
        check_statement(statement.first, verdict, readonly, method)

    def _run(self, query: _Query, exchange: Exchange, reply: Reply) -> _Outcome:
        statement = query.statement
        if statement.kind is Kind.SELECT:
            if query.request.flag("cancel_http_readonly_queries_on_client_close"):
                exchange.on_gone(lambda: self._running.kill(query.running))
            return self._select(query, reply)
        if statement.kind is Kind.INSERT:
            return self._insert(query)
        if statement.kind is Kind.INSERT_INPUT:
            return _insert_from_input(query)
        return self._command(query, reply)

    def _select(self, query: _Query, reply: Reply) -> _Outcome:
        """Stream the rows: the engine writes them into a pipe as if into a file of the client's."""
        statement = query.statement
        with OutputPipe() as pipe:
            sql = f"{statement.head} INTO OUTFILE '{pipe.path}' APPEND FORMAT {query.form} {statement.tail}"
            future = self._workers.submit(_run_into, pipe, query.connection, sql, query.params)
            try:
                for piece in pipe.read():
                    reply.write(piece, query.form)
            except BaseException:
                # the engine does not notice by itself that nobody reads any more
                while not future.done():
                    self._running.kill(query.running)
                    pipe.drain(seconds=0.5)
                raise
            try:
                return _Outcome(future.result(), query.form)
            except ClickHouseError as error:
                if error.code != SYNTAX_ERROR[0]:
                    raise
        # Asked again as the client wrote it: a statement that has no INTO OUTFILE gets its answer so,
        # and a wrong one a message about the client's own text.
        return self._command(query, reply)

    def _insert(self, query: _Query) -> _Outcome:
        """Stream the data: the engine reads them from a pipe as if from a file of the client's.

        It can take them in pieces too, but then acknowledges rows that the table has refused at the end (no
        room on the disk, too many parts, a constraint).
        """
        with InputPipe() as pipe:
            sql = reading_file(query.statement, pipe.path)
            future = self._workers.submit(_run_from, pipe, query.connection, sql, query.params)
            try:
                for piece in query.data:
                    if not pipe.write(piece):
                        break
            except BaseException:
                # To the engine a body that breaks off is one that ends, unless the query was killed before.
                while not future.done() and not self._running.kill(query.running):
                    wait([future], timeout=0.01)
                pipe.end_of_input()
                wait([future])
                raise
            pipe.end_of_input()
            return _Outcome(future.result(), query.request.default_format)

    def _command(self, query: _Query, reply: Reply) -> _Outcome:
        statement, connection = query.statement, query.connection
        if statement.first == "SET":
            # a session keeps what it sets itself, and not what a URL laid over it
            connection.configure({TAG_SETTING: query.running.tag}, query.request.database)
        text = self._running.translate(statement.text) if statement.first == "KILL" else statement.text
        answer, stats = connection.execute(text, query.form, query.params)
        connection.keep(statement.first, statement.text)
        if answer:
            reply.write(answer, query.form)
        return _Outcome(stats, query.form)


def _insert_from_input(query: _Query) -> _Outcome:
    """Run INSERT … SELECT … FROM input(): the data are complete on disk before the statement begins."""
    with tempfile.NamedTemporaryFile(prefix="clickhouse-input-") as file:
        for piece in query.data:
            file.write(piece)
        file.flush()
        stats = query.connection.insert(reading_file(query.statement, file.name), query.params)
    return _Outcome(stats, query.request.default_format)


def _run_from(pipe: InputPipe, connection: EngineConnection, sql: str, params: dict[str, str]) -> QueryStats:
    try:
        return connection.insert(sql, params)
    finally:
        pipe.end_of_reading()


def _run_into(pipe: OutputPipe, connection: EngineConnection, sql: str, params: dict[str, str]) -> QueryStats:
    try:
        return connection.execute(sql, "Null", params)[1]
    finally:
        pipe.end_of_output()


def _skip(body: Iterator[bytes], limit: int = 1 << 26) -> None:
    """Read what the client still sends, so that it comes to read the error; a very long body is cut off."""
    with suppress(ClientGoneError):
        for piece in body:
            limit -= len(piece)
            if limit < 0:
                return
