"""The three PostgreSQL servers."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from local_stack.component import StackContext
from local_stack.components.control import Control
from local_stack.components.postgres import PostgresComponent
from local_stack.components.source import Source
from local_stack.components.warehouse import Warehouse
from local_stack.source.seed import CUSTOMERS, ITEMS, ORDERS, PRODUCTS
from tests.stack.components.running import Runner

SERVERS = [(Source, "SOURCE_DSN"), (Warehouse, "WAREHOUSE_DSN"), (Control, "OPS_DSN")]


@pytest.fixture(scope="module")
def source(runner: Runner) -> Iterator[Source]:
    source = Source()
    runner.start(source)
    yield source
    runner.stop(source)


class TestEachServer:
    @pytest.mark.parametrize(("kind", "key"), SERVERS)
    def test_committed_rows_survive_a_kill(
        self, ctx: StackContext, runner: Runner, kind: type[PostgresComponent], key: str
    ) -> None:
        server = kind()
        runner.start(server)
        dsn = server.exports(ctx)[key]
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE kept (id int)")
            connection.execute("INSERT INTO kept VALUES (1), (2)")
        idle = psycopg.connect(dsn)  # a backend that the killed server leaves behind for a moment
        runner.kill_and_start(server)
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (2,)
            connection.execute("DROP TABLE kept")
        idle.close()
        assert runner.stop(server) == 0

    def test_a_half_made_cluster_is_made_again(self, ctx: StackContext, runner: Runner) -> None:
        warehouse = Warehouse()
        half_made = ctx.data_dir("warehouse") / "initdb"
        half_made.mkdir(exist_ok=True)
        (half_made / "PG_VERSION").write_text("18\n")
        warehouse.cluster_dir(ctx).rename(ctx.data_dir("warehouse") / "aside")
        runner.start(warehouse)
        assert runner.stop(warehouse) == 0
        assert not half_made.exists()

    def test_the_lock_file_of_a_server_whose_pid_was_reused_is_dropped(
        self, ctx: StackContext, runner: Runner
    ) -> None:
        warehouse = Warehouse()
        warehouse.prepare(ctx)
        lock = warehouse.cluster_dir(ctx) / "postmaster.pid"
        lock.write_text(f"1\n{lock.parent}\n0\n{warehouse.port(ctx)}\n\n127.0.0.1\n\nready\n")
        runner.start(warehouse)
        runner.stop(warehouse)


class TestSource:
    def test_it_decodes_logically(self, ctx: StackContext, source: Source) -> None:
        with psycopg.connect(source.exports(ctx)["SOURCE_DSN"]) as connection:
            assert connection.execute("SHOW wal_level").fetchone() == ("logical",)
            assert connection.execute("SHOW fsync").fetchone() == ("on",)

    def test_the_shop_has_its_first_rows(self, ctx: StackContext, source: Source) -> None:
        with psycopg.connect(source.exports(ctx)["SOURCE_DSN"]) as connection:
            counts = connection.execute(
                "SELECT (SELECT count(*) FROM customers), (SELECT count(*) FROM products),"
                " (SELECT count(*) FROM orders), (SELECT count(*) FROM order_items)"
            ).fetchone()
        assert counts == (CUSTOMERS, PRODUCTS, ORDERS, ITEMS)

    def test_new_ids_follow_the_first_rows(self, ctx: StackContext, source: Source) -> None:
        insert = "INSERT INTO customers (email, full_name) VALUES ('a@b', 'A B') RETURNING id"
        with psycopg.connect(source.exports(ctx)["SOURCE_DSN"]) as connection:
            row = connection.execute(insert).fetchone()
            assert row is not None
            assert row[0] > CUSTOMERS
            connection.rollback()

    def test_rows_that_somebody_deleted_do_not_come_back(
        self, ctx: StackContext, runner: Runner, source: Source
    ) -> None:
        with psycopg.connect(source.exports(ctx)["SOURCE_DSN"]) as connection:
            connection.execute("DELETE FROM order_items")
        runner.kill_and_start(source)
        with psycopg.connect(source.exports(ctx)["SOURCE_DSN"]) as connection:
            assert connection.execute("SELECT count(*) FROM order_items").fetchone() == (0,)

    def test_the_capturing_role_replicates_and_reads_nothing_before_it_is_granted(
        self, ctx: StackContext, source: Source
    ) -> None:
        dsn = source.dsn(ctx, "debezium", "source_capture", "shop")
        with psycopg.connect(dsn, autocommit=True) as connection:
            role = connection.execute(
                "SELECT rolreplication, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles"
                " WHERE rolname = current_user"
            ).fetchone()
            assert role == (True, False, False, False)
            for statement in ("SELECT * FROM customers", "CREATE TABLE mine (id int)", "CREATE SCHEMA mine"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())

    def test_a_wrong_password_is_refused(self, ctx: StackContext, source: Source) -> None:
        dsn = f"postgresql://postgres:wrong@127.0.0.1:{source.port(ctx)}/shop"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(dsn)

    def test_the_owner_may_publish_its_tables(self, ctx: StackContext, source: Source) -> None:
        dsn = source.dsn(ctx, "shop", "source_owner", "shop")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE PUBLICATION of_the_test FOR TABLE customers")
            connection.execute("DROP PUBLICATION of_the_test")
