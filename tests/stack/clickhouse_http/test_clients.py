"""Foreign clients, as they come: clickhouse-connect, sync and async, and the official Java client."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import clickhouse_connect
import pandas as pd
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData

REPO = Path(__file__).parents[3]
JAVA_CLIENT = "0.9.8"
DDL = (
    "CREATE OR REPLACE TABLE {name} "
    "(id UInt64, name Nullable(String), price Decimal(18, 4), seen DateTime64(6, 'UTC'), day Date, key UUID, "
    "tags Array(String), attributes Map(String, Int64), kind LowCardinality(String)) "
    "ENGINE = MergeTree ORDER BY id"
)


def make_rows(count: int) -> list[list[Any]]:
    day = dt.date(2026, 2, 3)
    return [
        [
            at,
            None if at % 3 == 0 else f"näme {at}",
            decimal.Decimal(at) / 10000,
            dt.datetime(2026, 1, 1) + dt.timedelta(microseconds=at),  # noqa: DTZ001 (read back so)
            day,
            uuid.UUID(int=at),
            ["a", str(at)],
            {"n": at},
            "even" if at % 2 == 0 else "odd",
        ]
        for at in range(count)
    ]


@pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip", False])
def test_clickhouse_connect_writes_and_reads_every_type(server: Any, compression: Any) -> None:
    with server.client(compress=compression) as client:
        client.command(DDL.format(name="typed"))
        rows = make_rows(5000)
        summary = client.insert("typed", rows, column_names="*")
        assert summary.written_rows == 5000
        assert client.query("SELECT * FROM typed ORDER BY id").result_rows == [tuple(row) for row in rows]
        assert client.command("SELECT count() FROM typed") == 5000
        asked = client.query("SELECT id FROM typed WHERE name = {name:String}", parameters={"name": "näme 1"})
        assert asked.result_rows == [(1,)]
        assert asked.summary["read_rows"] == "5000"
        client.command("DROP TABLE typed")


def test_clickhouse_connect_moves_arrow_and_frames(server: Any, table: str) -> None:
    with server.client() as client:
        arrow = pa.table({"a": pa.array(range(1000), pa.uint64()), "b": [str(at) for at in range(1000)]})
        client.insert_arrow(table, arrow)
        assert client.query_arrow(f"SELECT a FROM {table} ORDER BY a")["a"].to_pylist() == list(range(1000))
        client.insert_df(table, pd.DataFrame({"a": [5000, 5001], "b": ["x", "y"]}))
        frame = client.query_df(f"SELECT * FROM {table} WHERE a >= 5000 ORDER BY a")
        assert frame["b"].tolist() == ["x", "y"]
        assert client.raw_query(f"SELECT count() FROM {table}", fmt="CSV") == b"1002\n"
        with client.query_row_block_stream("SELECT number FROM numbers(500000)") as stream:
            assert sum(len(block) for block in stream) == 500_000
        with client.query_arrow_stream("SELECT number FROM numbers(500000)") as stream:
            assert sum(batch.num_rows for batch in stream) == 500_000


def test_clickhouse_connect_contexts_settings_and_external_data(server: Any, table: str) -> None:
    with server.client(settings={"max_threads": 1}) as client:
        assert client.command("SELECT getSetting('max_threads')") == 1
        assert client.command("SELECT getSetting('max_block_size')", settings={"max_block_size": 99}) == 99
        context = client.create_insert_context(table, column_names=["a", "b"], data=[[1, "x"], [2, "y"]])
        client.insert(context=context)
        context.data = [[3, "z"]]
        client.insert(context=context)
        external = ExternalData(file_name="ids", fmt="CSV", structure="id UInt64", data=b"1\n3\n")
        found = client.query(
            f"SELECT b FROM {table} WHERE a IN (SELECT id FROM ids) ORDER BY a", external_data=external
        )
        assert found.result_rows == [("x",), ("z",)]
        client.command("CREATE TEMPORARY TABLE scratch (a UInt8)")
        client.insert("scratch", [[1], [2]], column_names=["a"])
        assert client.command("SELECT sum(a) FROM scratch") == 3
        assert client.server_version.startswith("26.")
        client.raw_insert(table, ["a", "b"], b"9,csv\n", fmt="CSV")
        assert client.command(f"SELECT b FROM {table} WHERE a = 9") == "csv"


def test_clickhouse_connect_names_the_error(server: Any) -> None:
    with server.client() as client:
        with pytest.raises(DatabaseError, match="UNKNOWN_TABLE") as raised:
            client.query("SELECT * FROM nosuch")
        assert raised.value.code == 60
        sql = "SELECT throwIf(number = 3000000), repeat('x', 10) FROM numbers(10000000)"
        with pytest.raises((StreamFailureError, ClickHouseError), match=r"395|throwIf"):
            client.query(sql)
        assert client.command("SELECT 1") == 1
    with pytest.raises(DatabaseError, match="AUTHENTICATION_FAILED"):
        clickhouse_connect.get_client(host="127.0.0.1", port=server.port, username="default", password="no")


def test_the_async_client_runs_queries_side_by_side(server: Any, table: str) -> None:
    async def run() -> int:
        options = {"host": "127.0.0.1", "port": server.port, "username": "default", "password": "s3cret'π"}
        async with await clickhouse_connect.get_async_client(
            autogenerate_session_id=False, **options
        ) as client:
            arrow = pa.table({"a": pa.array(range(1000), pa.uint64()), "b": ["x"] * 1000})
            await asyncio.gather(*(client.insert_arrow(table, arrow) for _ in range(8)))
            await asyncio.gather(
                *(client.insert(table, [[at, "y"]], column_names=["a", "b"]) for at in range(8))
            )
            answers = await asyncio.gather(*(client.query(f"SELECT count() FROM {table}") for _ in range(8)))
            assert {answer.result_rows[0][0] for answer in answers} == {8008}
            with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
                await client.command("SELECT * FROM nosuch")
            total = await client.command("SELECT sum(number) FROM numbers(10)")
        assert isinstance(total, (int, str))
        return int(total)

    assert asyncio.run(run()) == 45


@pytest.fixture(scope="session")
def java_client() -> str:
    """The class path of the official Java client; resolved once into the jars' folder."""
    import pyspark

    java = os.environ.get("JAVA_HOME", "")
    assert java or shutil.which("java"), "Java 17 or 21 is needed"
    jars = Path(os.environ.get("CDC_JARS", REPO / ".local" / "jars")) / "clickhouse-client"
    if not list(jars.glob(f"client-v2-{JAVA_CLIENT}*.jar")):
        ivy = next(Path(pyspark.__file__).parent.glob("jars/ivy-*.jar"))
        subprocess.run(
            ["java", "-Xmx256m", "-jar", str(ivy), "-dependency", "com.clickhouse", "client-v2", JAVA_CLIENT,
             "-confs", "default", "-retrieve", f"{jars}/[artifact]-[revision](-[classifier]).[ext]"],
            check=True, timeout=240, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    return f"{jars}/*"


def test_the_official_java_client_creates_inserts_and_queries(server: Any, java_client: str) -> None:
    program = Path(__file__).with_name("JavaClient.java")
    done = subprocess.run(
        ["java", "-Xmx256m", "-cp", java_client, str(program), server.url, "default", "s3cret'π"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-3:] == ["written 1000", "sum 499500 rows 1000", "error 60"]
    assert server.ask("SELECT count() FROM java_rows") == "1000"
    server.ask("DROP TABLE java_rows SYNC")
