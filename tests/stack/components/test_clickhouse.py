"""ClickHouse as a component: whichever server it is."""

from __future__ import annotations

import clickhouse_connect

from local_stack.component import StackContext
from local_stack.components.clickhouse import ClickHouse
from tests.stack.components.running import Runner


def test_acknowledged_rows_survive_a_kill(ctx: StackContext, runner: Runner) -> None:
    server = ClickHouse()
    runner.start(server)
    url = server.exports(ctx)["CLICKHOUSE_URL"]
    client = clickhouse_connect.get_client(dsn=url)
    client.command("CREATE TABLE kept (id UInt64) ENGINE = MergeTree ORDER BY id")
    client.insert("kept", [[number] for number in range(1000)], column_names=["id"])

    runner.kill_and_start(server)

    client = clickhouse_connect.get_client(dsn=url)
    assert client.query("SELECT count(), sum(id) FROM kept").result_rows == [(1000, 499_500)]
    client.close()
    assert runner.stop(server) == 0
