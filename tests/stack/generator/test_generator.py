"""The change generator on a real PostgreSQL."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import psycopg
import pytest

from local_stack.generator import Totals, run_bounded, run_endless
from local_stack.generator import operations as ops
from local_stack.generator.session import ShopSession
from local_stack.generator.state import ShopState

_ROW_STATISTICS = """
SELECT sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_del) FROM pg_stat_user_tables WHERE schemaname = 'public'"""


def _statistics(dsn: str) -> Totals:
    """PostgreSQL's own count of row changes; a backend that ends has reported all of its own."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(_ROW_STATISTICS).fetchone()
    assert row is not None
    return Totals(*(int(value) for value in row))


def _settled(dsn: str) -> Totals:
    before = None
    while (now := _statistics(dsn)) != before:
        before = now
        time.sleep(0.3)
    return now


class TestBoundedRun:
    @pytest.mark.parametrize("changes", [3, 501, 4_000])
    def test_makes_exactly_the_changes_that_postgresql_counts(self, source, changes):
        before = _settled(source.dsn)
        totals = run_bounded(source.dsn, changes, seed=changes)
        after = _settled(source.dsn)
        assert totals.changes == changes
        assert min(totals.inserted, totals.updated, totals.deleted) >= 1
        assert (after.inserted - before.inserted, after.updated - before.updated) == (
            totals.inserted,
            totals.updated,
        )
        assert after.deleted - before.deleted == totals.deleted

    def test_equal_seeds_on_equal_shops_make_equal_changes(self, source):
        first = run_bounded(source.dsn, 600, seed=5)
        source.kill()
        # a second shop: the same first rows in a new cluster
        source.component.cluster_dir(source.ctx).rename(source.ctx.home / "first-cluster")
        source.start()
        second = run_bounded(source.dsn, 600, seed=5)
        assert second == first

    def test_values_that_pipelines_spoil_are_among_them(self, source):
        run_bounded(source.dsn, 4_000, seed=3)
        wanted = {
            "NULL array": "SELECT 1 FROM customers WHERE tags IS NULL",
            "empty array": "SELECT 1 FROM customers WHERE tags = '{}'",
            "NULL in an array": "SELECT 1 FROM customers WHERE array_position(tags, NULL) IS NOT NULL",
            "JSON null": "SELECT 1 FROM customers WHERE preferences = 'null'",
            "empty text": "SELECT 1 FROM orders WHERE note = ''",
            "line break": "SELECT 1 FROM orders WHERE note LIKE E'%\\n%'",
            "beyond the BMP": "SELECT 1 FROM orders WHERE note LIKE '%🛒%'",
            "largest price": "SELECT 1 FROM products WHERE price = 9999999999.99",
            "padded char": "SELECT 1 FROM orders WHERE octet_length(currency) > length(currency::text)",
            "moved key": "SELECT 1 FROM order_items WHERE line_no > 5",
        }
        with psycopg.connect(source.dsn) as connection:
            missing = [what for what, query in wanted.items() if not connection.execute(query).fetchone()]
        assert missing == []


class TestEndlessRun:
    def test_keeps_its_rate_until_it_is_told_to_stop(self, source):
        stop = threading.Event()
        begun: list[threading.Timer] = []

        def progress(_: Totals) -> None:
            if not begun:
                begun.append(threading.Timer(4, stop.set))
                begun[0].start()

        totals = run_endless(source.dsn, 100, 1, stop, progress)
        assert 250 <= totals.changes <= 600

    def test_another_client_that_inserts_by_the_sequence_is_not_disturbed(self, source):
        stop, problems = threading.Event(), []

        def insert() -> None:
            try:
                with psycopg.connect(source.dsn, autocommit=True) as connection:
                    while not stop.wait(0.01):
                        connection.execute("INSERT INTO customers (email, full_name) VALUES ('a@b', 'c')")
            except psycopg.Error as error:
                problems.append(error)

        client = threading.Thread(target=insert)
        client.start()
        run_bounded(source.dsn, 3_000, seed=2)
        stop.set()
        client.join()
        assert problems == []


class TestKilledSource:
    def test_a_transaction_counts_as_a_whole_or_not_at_all(self, source):
        before = sum(source.counts().values())
        stop, result, seen = threading.Event(), [], [0]
        enough = threading.Event()

        def progress(totals: Totals) -> None:
            if totals.changes - seen[0] > 300:
                seen[0] = totals.changes
                enough.set()

        def more() -> None:
            enough.clear()
            assert enough.wait(60)

        def work() -> None:
            result.append(run_endless(source.dsn, 2_000, 4, stop, progress))

        worker = threading.Thread(target=work)
        worker.start()
        for _ in range(3):
            more()
            source.kill()
            source.start()
        more()
        stop.set()
        worker.join(60)
        [totals] = result
        assert totals.changes > 1_000
        assert sum(source.counts().values()) - before == totals.inserted - totals.deleted


_SLOW_COMMIT = """
CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER linger AFTER INSERT OR UPDATE OR DELETE ON customers DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION linger()"""
_COMMITTING = """
SELECT backend_xid::text FROM pg_stat_activity
WHERE application_name = 'cdc-generator' AND wait_event = 'PgSleep'"""


def _delete_customer(rng: Random, state: ShopState) -> list[ops.Statement]:
    return [ops.delete(ops.DELETE_CUSTOMER, state.idle_customers.draw(rng))]


def _superuser(source) -> psycopg.Connection:
    return psycopg.connect(source.dsn, autocommit=True)


def _slow_commits(source, seconds: int) -> None:
    with _superuser(source) as connection:
        connection.execute(_SLOW_COMMIT.format(seconds=seconds))


def _await_commit(source) -> str:
    """Wait until the generator's COMMIT is under way at the server; returns its transaction's id."""
    deadline = time.monotonic() + 10
    with _superuser(source) as connection:
        while (row := connection.execute(_COMMITTING).fetchone()) is None:
            assert time.monotonic() < deadline, "no transaction is being committed"
            time.sleep(0.02)
    return str(row[0])


def _commit_while(act: Callable[[], None], session: ShopSession, plan: list[ops.Statement]) -> Totals:
    """Commit a plan, and do something in a thread meanwhile."""
    with ThreadPoolExecutor() as pool:
        doing = pool.submit(act)
        totals = session.commit(plan)
        doing.result()
    return totals


class TestLostConnection:
    def test_a_lost_transaction_does_not_count_when_another_one_got_its_id(self, source):
        """An id whose log was not yet flushed is given out again after a crash."""
        _slow_commits(source, 60)
        with _superuser(source) as connection:
            # nobody but a commit flushes the log
            for setting in ("wal_writer_delay = '10s'", "bgwriter_delay = '10s'", "autovacuum = off"):
                connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")
        before = source.counts()
        lost: list[str] = []

        def start(_seconds: float) -> None:
            source.start()
            with _superuser(source) as connection:
                status = connection.execute("SELECT pg_xact_status(%s::xid8)", lost).fetchone()
            assert status == ("committed",), "nobody got the id again"

        def kill() -> None:
            lost.append(_await_commit(source))
            source.kill()

        session = ShopSession(source.dsn, sleep=start)
        session.ensure_ids(1)
        totals = _commit_while(kill, session, ops.register_customer(Random(1), session.state))
        session.close()
        assert totals == Totals()
        assert source.counts() == before

    @pytest.mark.parametrize(
        ("operation", "expected"),
        [
            (ops.register_customer, Totals(inserted=1, transactions=1)),
            (ops.change_customer, Totals(updated=1, transactions=1)),
            (_delete_customer, Totals(deleted=1, transactions=1)),
        ],
    )
    def test_a_transaction_that_the_server_commits_after_the_loss_counts(self, source, operation, expected):
        run_bounded(source.dsn, 600, seed=1)  # some customers have no orders
        _slow_commits(source, 2)
        session = ShopSession(source.dsn)
        session.ensure_ids(1)

        def lose() -> None:
            _await_commit(source)
            with socket.socket(fileno=os.dup(session._connection.fileno())) as client:
                client.shutdown(socket.SHUT_RDWR)

        assert _commit_while(lose, session, operation(Random(1), session.state)) == expected
        session.close()
