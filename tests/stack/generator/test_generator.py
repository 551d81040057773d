"""The change generator on a real PostgreSQL."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from local_stack.generator import Totals, run_bounded, run_endless

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
        threading.Timer(4, stop.set).start()
        totals = run_endless(source.dsn, 100, seed=1, stop=stop)
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
        stop, result = threading.Event(), []
        worker = threading.Thread(target=lambda: result.append(run_endless(source.dsn, 2_000, 4, stop)))
        worker.start()
        for _ in range(3):
            time.sleep(1.2)
            source.kill()
            source.start()
        time.sleep(1.5)
        stop.set()
        worker.join(60)
        [totals] = result
        assert totals.changes > 1_000
        assert sum(source.counts().values()) - before == totals.inserted - totals.deleted
