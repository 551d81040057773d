"""Inserts: every format, streamed, whole or not at all, and compressed in every way clients know."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lz4.frame
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.auth import HTTPBasicAuth

from local_stack.clickhouse_http.blocks import LZ4, NONE, ZSTD, decode_blocks, encode_block, encode_blocks
from local_stack.clickhouse_http.compression import PREFERENCE, decode, make_encoder
from local_stack.clickhouse_http.errors import ClickHouseError

ROWS = 1000
CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
    "lz4": lz4.frame.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def post_insert(server: Any, table: str, form: str, data: Any, **options: Any) -> requests.Response:
    headers = {"Content-Encoding": options.pop("coding")} if "coding" in options else {}
    params = {"query": f"INSERT INTO {table} FORMAT {form}", **options}
    auth = HTTPBasicAuth("default", "s3cret'π".encode())
    return requests.post(server.url, params=params, data=data, auth=auth, headers=headers, timeout=60)


def test_every_format_the_engine_writes_and_reads_comes_back(server: Any, table: str) -> None:
    """A round trip through each format that can be read and written and can hold two columns."""
    needs_more = {
        # a schema, a template, or one column of one kind
        "Protobuf", "ProtobufList", "ProtobufSingle", "CapnProto", "Template", "TemplateIgnoreSpaces",
        "Avro",
        "AvroConfluent", "Regexp", "LineAsString", "RawBLOB", "JSONAsString", "JSONAsObject", "Npy", "Form",
        "GeoJSON",
    }  # fmt: skip
    names = server.ask("SELECT name FROM system.formats WHERE is_input AND is_output").split("\n")
    tried = 0
    for name in sorted(set(names) - needs_more):
        server.ask(f"TRUNCATE TABLE {table}")
        # the raw formats escape nothing, so a tab in a value is another column
        odd = "" if "Raw" in name else "\t"
        columns = f"number AS a, concat('ü {odd},', toString(number)) AS b"
        sql = f"SELECT {columns} FROM numbers({ROWS}) FORMAT {name}"
        answer = server.post(sql)
        if not answer.content:
            continue
        sent = post_insert(server, table, name, answer.content)
        assert sent.status_code == 200, (name, sent.text)
        check = f"SELECT count(), sum(a), countIf(b = concat('ü {odd},', toString(a))) FROM {table}"
        assert server.ask(check) == f"{ROWS}\t499500\t{ROWS}", name
        tried += 1
    assert tried > 40


def test_values_may_be_expressions_and_columns_may_be_few(server: Any, table: str) -> None:
    server.ask(f"INSERT INTO {table} (b, a) VALUES (concat('x', 'y'), 1 + 1), ('it''s', 3);")
    server.ask(f"INSERT INTO {table} (a) SETTINGS max_threads = 1 FORMAT JSONEachRow\n" + '{"a": 4}')
    server.ask(f"INSERT INTO {table} SELECT number, 'n' FROM numbers(2)")
    assert server.ask(f"SELECT * FROM {table} ORDER BY a FORMAT TSVRaw") == "0\tn\n1\tn\n2\txy\n3\tit's\n4\t"


def test_input_reads_the_data_behind_the_query(server: Any, table: str) -> None:
    source = "input('x UInt64, s String')"
    sql = f"INSERT INTO {table} SELECT x * 2, upper(s) FROM {source} WHERE x > 1 FORMAT CSV\n"
    answer = server.post(sql + "1,one\n2,two\n3,three\n")
    assert '"written_rows":"2"' in answer.headers["X-ClickHouse-Summary"]
    assert server.ask(f"SELECT * FROM {table} ORDER BY a") == "4\tTWO\n6\tTHREE"


@pytest.mark.parametrize("coding", CODERS)
def test_bodies_and_answers_are_compressed_as_agreed(server: Any, table: str, coding: str) -> None:
    plain = b"".join(b"%d,value %d\n" % (at, at) for at in range(20_000))
    assert post_insert(server, table, "CSV", CODERS[coding](plain), coding=coding).ok
    raw = requests.post(
        server.url,
        data=f"SELECT a, b FROM {table} ORDER BY a FORMAT CSV",
        auth=HTTPBasicAuth("default", "s3cret'π".encode()),
        headers={"Accept-Encoding": f"br;q=1, {coding}"},
        stream=True,
        timeout=30,
    )
    assert raw.headers["Content-Encoding"] == coding
    packed = raw.raw.read(decode_content=False)
    assert len(packed) < len(plain) / 2
    text = b"".join(decode([packed], coding))
    assert text == plain.replace(b",value", b',"value').replace(b"\n", b'"\n')
    broken = post_insert(server, table, "CSV", CODERS[coding](plain)[:-20], coding=coding)
    assert broken.headers["X-ClickHouse-Exception-Code"] in {"33", "271"}
    assert server.ask(f"SELECT count() FROM {table}") == "20000"


def test_compression_can_be_declined(server: Any) -> None:
    answer = server.post("SELECT 1", enable_http_compression=0)
    assert "Content-Encoding" not in answer.headers
    unknown = post_insert(server, "t", "CSV", b"1", coding="br")
    assert unknown.headers["X-ClickHouse-Exception-Code"] == "89"


@pytest.mark.parametrize("method", [LZ4, ZSTD, NONE])
def test_clickhouse_blocks_work_both_ways(server: Any, table: str, method: int) -> None:
    native = server.post(
        "SELECT number AS a, toString(number) AS b FROM numbers(300000) FORMAT Native"
    ).content
    halves = [native[:1_000_000], native[1_000_000:]]
    body = b"".join(encode_block(half, method) for half in halves)
    assert post_insert(server, table, "Native", body, decompress=1).ok
    answer = server.post(f"SELECT a, b FROM {table} ORDER BY a FORMAT Native", compress=1)
    plain = b"".join(decode_blocks([answer.content]))
    assert len(answer.content) < len(plain)
    assert server.ask(f"SELECT count(), uniqExact(a) FROM {table}") == "300000\t300000"
    broken = body[:40] + bytes([body[40] ^ 1]) + body[41:]
    refused = post_insert(server, table, "Native", broken, decompress=1)
    assert refused.headers["X-ClickHouse-Exception-Code"] == "40"
    assert post_insert(server, table, "Native", body[:-1], decompress=1).status_code == 500


def test_block_checksums_are_those_of_the_engines_own_files(server: Any) -> None:
    server.ask(
        "CREATE OR REPLACE TABLE packed (a UInt64) ENGINE = MergeTree ORDER BY a "
        "SETTINGS min_bytes_for_wide_part = 0"
    )
    server.ask("INSERT INTO packed SELECT number FROM numbers(100000)")
    path = server.ask("SELECT path FROM system.parts WHERE table = 'packed' AND active")
    plain = b"".join(decode_blocks([Path(path, "a.bin").read_bytes()]))
    assert plain == b"".join(at.to_bytes(8, "little") for at in range(100_000))
    server.ask("DROP TABLE packed SYNC")


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300), cut=st.integers(1, 40), method=st.sampled_from([LZ4, ZSTD, NONE]))
def test_blocks_survive_any_cut(data: bytes, cut: int, method: int) -> None:
    packed = encode_blocks(data, method) + encode_block(data, method)
    pieces = (packed[at : at + cut] for at in range(0, len(packed), cut))
    assert b"".join(decode_blocks(pieces)) == data * 2
    with pytest.raises(ClickHouseError):
        list(decode_blocks([packed[:-1]]))


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300), cut=st.integers(1, 40), coding=st.sampled_from(PREFERENCE))
def test_codings_survive_any_cut(data: bytes, cut: int, coding: str) -> None:
    encoder = make_encoder(coding, 3)
    packed = encoder.compress(data) + encoder.flush()
    two = packed * 2
    assert b"".join(decode((two[at : at + cut] for at in range(0, len(two), cut)), coding)) == data * 2
    with pytest.raises(ClickHouseError):
        list(decode([packed[:-1]], coding))


def test_a_failed_insert_leaves_nothing(server: Any, table: str) -> None:
    good = b"".join(b"%d,x\n" % at for at in range(10_000))
    answer = post_insert(server, table, "CSV", good + b"zz,y\n")
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (400, "27")
    assert server.ask(f"SELECT count() FROM {table}") == "0"
    assert post_insert(server, table, "CSV", good).ok
    assert server.ask(f"SELECT count() FROM {table}") == "10000"


@pytest.mark.parametrize(
    ("rule", "settings", "code"),
    [
        ("", "min_free_disk_bytes_to_perform_insert = 1000000000000000000", "243"),
        ("", "parts_to_throw_insert = 1, max_delay_to_insert = 0", "252"),
        (", CONSTRAINT small CHECK a < 0", "index_granularity = 8192", "469"),
    ],
)
def test_what_the_table_refuses_is_no_success(server: Any, rule: str, settings: str, code: str) -> None:
    server.ask("DROP TABLE IF EXISTS full")
    server.ask(f"CREATE TABLE full (a Int64{rule}) ENGINE = MergeTree ORDER BY a SETTINGS {settings}")
    server.ask("SYSTEM STOP MERGES full")
    answers = [post_insert(server, "full", "CSV", b"%d\n" % at) for at in range(3)]
    assert answers[-1].headers["X-ClickHouse-Exception-Code"] == code
    assert server.ask("SELECT count() FROM full") == str(sum(answer.ok for answer in answers))


def test_an_insert_that_breaks_off_leaves_nothing(server: Any, table: str) -> None:
    head = (
        f"POST /?query=INSERT+INTO+{table}+FORMAT+CSV HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n"
        "Authorization: Basic ZGVmYXVsdDpzM2NyZXQnz4A=\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode() + b"1,x\n" * 600_000)
        time.sleep(0.3)
    time.sleep(0.5)
    assert server.ask(f"SELECT count() FROM {table}") == "0"
    assert server.ask("SELECT count() FROM system.processes WHERE query LIKE 'INSERT%'") == "0"


def test_an_error_arrives_before_the_body_is_sent_whole(server: Any) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(3000):
            yield b"1,x\n" * 1000

    answer = post_insert(server, "nosuch", "CSV", endless())
    assert answer.headers["X-ClickHouse-Exception-Code"] == "60"


def test_a_long_insert_is_streamed(server: Any, table: str) -> None:
    row = "x" * 4000
    # merges take memory of their own
    server.ask(f"SYSTEM STOP MERGES {table}")

    def chunks() -> Iterator[bytes]:
        for at in range(300):
            yield "".join(f"{at * 500 + n},{row}\n" for n in range(500)).encode()

    process = psutil.Process(server.process.pid)
    peak = before = process.memory_info().rss

    def watched() -> Iterator[bytes]:
        nonlocal peak
        for chunk in chunks():
            peak = max(peak, process.memory_info().rss)
            yield chunk

    sent = post_insert(
        server, table, "CSV", watched(), min_insert_block_size_bytes=8 << 20, max_insert_block_size=4096
    )
    assert sent.ok, sent.text
    assert server.ask(f"SELECT count(), sum(length(b)) FROM {table}") == "150000\t600000000"
    # 600 MB were sent; an allocator keeps some of what a busy engine has given back
    assert peak - before < 400 << 20


def test_arrow_and_parquet_files_are_inserted_as_they_are(server: Any, table: str) -> None:
    rows = pa.table({"a": pa.array(range(100_000), pa.uint64()), "b": [f"abc{at}" for at in range(100_000)]})
    stream, parquet = io.BytesIO(), io.BytesIO()
    with pa.ipc.new_stream(stream, rows.schema) as writer:
        writer.write_table(rows)
    pq.write_table(rows, parquet)
    assert post_insert(server, table, "ArrowStream", stream.getvalue()).ok
    assert post_insert(server, table, "Parquet", parquet.getvalue()).ok
    answer = server.post(
        f"SELECT a, any(b) AS b FROM {table} GROUP BY a ORDER BY a FORMAT ArrowStream", wait_end_of_query=1
    )
    back = pa.ipc.open_stream(answer.content).read_all()
    assert back["a"].to_pylist() == rows["a"].to_pylist()
    assert server.ask(f"SELECT count() FROM {table}") == "200000"
    assert re.search(r'"read_rows":"200000"', answer.headers["X-ClickHouse-Summary"])
