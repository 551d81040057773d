"""A row is not read at the source while a transaction that the log has already waits for a standby."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cdc.errors import ConfigurationError, UnavailableError
from cdc.services.visible import wait_visible

if TYPE_CHECKING:
    from tests.stack.cdc.conftest import Postgres

NUMBERS = itertools.count(1)


class Source:
    """A database whose commits wait for a standby that never comes, until `relieve` is called."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.admin = psycopg.connect(dsn, autocommit=True)
        self.admin.execute("CREATE TABLE t (id int PRIMARY KEY)")
        self.admin.execute("CREATE ROLE blind LOGIN")

    def demand(self) -> None:
        self._set("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "nobody")

    def relieve(self) -> None:
        self._set("ALTER SYSTEM RESET synchronous_standby_names", "")

    def insert(self) -> None:
        with psycopg.connect(self.dsn) as session:
            session.execute("INSERT INTO t VALUES (1)")

    def one(self, query: str) -> Any:
        return (self.admin.execute(query).fetchone() or [None])[0]

    def _set(self, statement: str, expected: str) -> None:
        self.admin.execute(statement)
        self.admin.execute("SELECT pg_reload_conf()")
        self.eventually("SELECT current_setting('synchronous_standby_names')", expected)

    def eventually(self, query: str, expected: object) -> None:
        deadline = time.monotonic() + 30
        while self.one(query) != expected:
            assert time.monotonic() < deadline, query
            time.sleep(0.05)


@pytest.fixture
def source(postgres: Postgres) -> Iterator[Source]:
    made = Source(postgres.create_database(f"visible{next(NUMBERS)}").dsn())
    yield made
    made.relieve()
    made.admin.execute("DROP ROLE blind")
    made.admin.close()


def test_what_waits_for_a_standby_is_waited_for(source: Source) -> None:
    with psycopg.connect(source.dsn) as reader, ThreadPoolExecutor(2) as pool:
        cursor = reader.cursor()
        wait_visible(cursor)
        source.demand()
        wait_visible(cursor)
        written = pool.submit(source.insert)
        source.eventually("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", 1)
        try:
            assert source.one("SELECT count(*) FROM t") == 0
            with pytest.raises(UnavailableError, match=r"1 transaction\(s\) of the source wait"):
                wait_visible(cursor, limit_s=0.2)
            waiting = pool.submit(wait_visible, cursor)
        finally:
            source.relieve()
        waiting.result(30)
        assert cursor.execute("SELECT count(*) FROM t").fetchone() == (1,)
        written.result(30)


def test_a_role_that_may_not_look_is_told_what_it_lacks(source: Source) -> None:
    blind = psycopg.conninfo.make_conninfo(source.dsn, user="blind")
    with psycopg.connect(blind) as reader:
        wait_visible(reader.cursor())
        source.demand()
        with pytest.raises(ConfigurationError, match="GRANT pg_read_all_stats TO blind"):
            wait_visible(reader.cursor())
