"""The HTTP interface itself: addresses, parameters, users, formats, errors, headers."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import pytest
import requests

AUTH = {"X-ClickHouse-User": "default", "X-ClickHouse-Key": "s3cret'π"}


def get(
    server: Any, path: str = "", headers: dict[str, Any] | None = None, **params: Any
) -> requests.Response:
    raw = {name: value.encode() for name, value in (AUTH if headers is None else headers).items()}
    return requests.get(server.url + path, params=params, headers=raw, timeout=30)


def test_health_checks_need_no_user(server: Any) -> None:
    assert get(server, "ping", {}).text == "Ok.\n"
    assert get(server, "", {}).text == "Ok.\n"
    assert get(server, "nowhere", {}).status_code == 404
    head = requests.head(server.url + "ping", timeout=10)
    assert (head.status_code, head.text) == (200, "")


@pytest.mark.parametrize(
    ("headers", "params", "status", "code"),
    [
        ({}, {}, 401, "194"),
        ({"X-ClickHouse-User": "default", "X-ClickHouse-Key": "wrong"}, {}, 403, "516"),
        ({}, {"user": "nobody", "password": "look"}, 403, "516"),
        ({"Authorization": "Basic !!"}, {}, 403, "516"),
        ({"X-ClickHouse-User": "reader", "X-ClickHouse-Key": "look"}, {"user": "reader"}, 403, "516"),
        ({"X-ClickHouse-User": "reader", "X-ClickHouse-Key": "look"}, {}, 200, None),
        ({}, {"user": "reader", "password": "look"}, 200, None),
        ({"Authorization": "Basic cmVhZGVyOmxvb2s="}, {}, 200, None),
    ],
)
def test_users_and_passwords_are_checked(
    server: Any, headers: dict[str, str], params: dict[str, str], status: int, code: str | None
) -> None:
    answer = get(server, "", headers, query="SELECT 1", **params)
    assert (answer.status_code, answer.headers.get("X-ClickHouse-Exception-Code")) == (status, code)
    assert answer.headers.get("WWW-Authenticate", "").startswith("Basic") == (status == 401)


def test_a_reader_reads_and_changes_nothing(server: Any, table: str) -> None:
    reader = {"user": "reader", "password": "look"}
    grafana = {"user": "grafana", "password": "panel"}

    def code(sql: str, **params: Any) -> str | None:
        return requests.post(server.url, params=params, data=sql, timeout=30).headers.get(
            "X-ClickHouse-Exception-Code"
        )

    assert code(f"SELECT * FROM {table}", **reader) is None
    assert code("SELECT 1", max_threads=1, **reader) == "164"
    assert code("SELECT 1", max_threads=1, **grafana) is None
    for sql in (f"INSERT INTO {table} VALUES (1, 'x')", f"DROP TABLE {table}", "SYSTEM STOP MERGES"):
        assert code(sql, **reader) == code(sql, **grafana) == "164"
    assert server.ask(f"SELECT count() FROM {table}") == "0"


def test_get_reads_and_post_writes(server: Any, table: str) -> None:
    refused = get(server, query=f"INSERT INTO {table} VALUES (1, 'x')")
    assert refused.headers["X-ClickHouse-Exception-Code"] == "164"
    assert "use method POST" in refused.text
    assert get(server, query="selec 1").headers["X-ClickHouse-Exception-Code"] == "62"
    server.ask("(1, 'x')", query=f"INSERT INTO {table} VALUES")
    assert get(server, query=f"SELECT a, b FROM {table}").text == "1\tx\n"


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELECT * FROM nosuch", 404, "60"),
        ("SELECT nosuch", 404, "47"),
        ("SELECT * FROM nosuch.x", 404, "81"),
        ("SELEC 1", 400, "62"),
        ("", 400, "62"),
        ("SELECT 1; SELECT 2", 400, "62"),
        ("SELECT 1 SETTINGS nosuch = 1", 404, "115"),
        ("SELECT 1 FORMAT Nosuch", 404, "73"),
        ("SELECT toUInt8('x')", 400, "6"),
        ("SELECT throwIf(1)", 500, "395"),
        ("SELECT 1 INTO OUTFILE 'x'", 500, "358"),
        ("INSERT INTO nosuch FORMAT CSV\n1\n", 404, "60"),
        ("INSERT INTO x FROM INFILE '/etc/passwd' FORMAT CSV", 404, "78"),
        ("SELECT sleep(3) SETTINGS max_execution_time = 0.1, timeout_overflow_mode = 'throw'", 408, "159"),
    ],
)
def test_errors_have_the_code_and_status_of_clickhouse(server: Any, sql: str, status: int, code: str) -> None:
    answer = server.post(sql)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (status, code), answer.text
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert "OUTFILE '/proc" not in answer.text


def test_headers_tell_what_happened(server: Any, table: str) -> None:
    written = server.post(f"INSERT INTO {table} SELECT number, 'x' FROM numbers(1000)", query_id="my-insert")
    summary = json.loads(written.headers["X-ClickHouse-Summary"])
    assert (summary["written_rows"], summary["read_rows"]) == ("1000", "1000")
    assert written.headers["X-ClickHouse-Query-Id"] == "my-insert"
    read = server.post(f"SELECT * FROM {table}", default_format="JSONEachRow")
    summary = json.loads(read.headers["X-ClickHouse-Summary"])
    assert (summary["read_rows"], summary["result_rows"]) == ("1000", "1000")
    assert int(summary["elapsed_ns"]) > 0
    assert read.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert read.headers["Content-Type"].startswith("application/x-ndjson")
    assert read.headers["X-ClickHouse-Timezone"] == server.ask("SELECT timezone()")
    assert read.headers["X-ClickHouse-Server-Display-Name"] == "clickhouse"


def test_parameters_are_values_and_never_sql(server: Any, table: str) -> None:
    evil = "'; DROP TABLE x; --"
    sql = "SELECT {n:UInt8} + 1, {s:String}, {list:Array(String)}, a FROM {t:Identifier} FORMAT JSONCompact"
    server.ask(f"INSERT INTO {table} VALUES (7, 'x')")
    answer = server.post(sql, param_n=1, param_s=evil, param_list="['a','b']", param_t=table)
    assert answer.json()["data"] == [[2, evil, ["a", "b"], 7]]
    assert server.post("SELECT {n:UInt8}", param_n="x").headers["X-ClickHouse-Exception-Code"] == "457"
    server.ask("8\ty\n", query="INSERT INTO {t:Identifier} FORMAT TSV", param_t=table)
    assert server.ask(f"SELECT max(a) FROM {table}") == "8"


def test_settings_and_database_come_from_the_url(server: Any) -> None:
    server.ask("CREATE DATABASE IF NOT EXISTS `other db`")
    sql = "SELECT getSetting('max_threads'), currentDatabase()"
    assert server.ask(sql, max_threads=1, database="other db") == "1\tother db"
    assert server.ask(sql).endswith("\tdefault")
    assert server.post("SELECT 1", nosuch_setting=1).headers["X-ClickHouse-Exception-Code"] == "115"
    assert server.post("SELECT 1", database="nosuch").headers["X-ClickHouse-Exception-Code"] == "81"
    assert server.ask("SELECT getSetting('async_insert'), getSetting('implicit_select')") == "false\tfalse"


def test_a_query_in_url_and_body_is_one_query(server: Any) -> None:
    assert server.ask("+ 2", query="SELECT 1") == "3"
    assert get(server, query="SELECT 1 -- a comment").text == "1\n"
    assert server.ask("SELECT 'FORMAT JSON' AS format /* FORMAT XML */ ;") == "FORMAT JSON"
    assert server.ask("SELECT 1 AS x FORMAT JSONEachRow SETTINGS max_threads = 1;") == '{"x":1}'
    assert server.ask("WITH 2 AS y SELECT y UNION ALL SELECT 2") == "2\n2"
    assert server.ask("(SELECT 5)") == "5"
    assert server.ask("EXISTS system.one") == "1"
    assert '"name":"one"' in server.ask("SHOW TABLES FROM system LIKE 'one' FORMAT JSONEachRow")
    assert "dummy" in server.ask("DESCRIBE system.one")


@pytest.mark.parametrize(
    "form", ["JSON", "XML", "Parquet", "Arrow", "ArrowStream", "Native", "CSVWithNames", "ORC"]
)
def test_an_answer_is_one_whole_document(server: Any, form: str) -> None:
    answer = server.post(f"SELECT number FROM numbers(300000) FORMAT {form}", max_block_size=10000)
    path = server.data.parent / f"answer.{form}"
    path.write_bytes(answer.content)
    if form == "JSON":
        assert answer.json()["rows"] == len(answer.json()["data"]) == 300000
    elif form == "XML":
        assert answer.text.count("<meta>") == 1
        assert "<rows>300000</rows>" in answer.text
    else:
        assert (
            server.ask(f"SELECT count(), sum(number) FROM file('{path}', '{form}')") == "300000\t44999850000"
        )


def test_totals_and_empty_answers_keep_their_shape(server: Any) -> None:
    sql = (
        "SELECT number % 2 AS k, count() AS c FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k FORMAT JSON"
    )
    assert json.loads(server.ask(sql))["totals"] == {"k": 0, "c": 10}
    empty = json.loads(server.ask("SELECT 1 AS x WHERE 0 FORMAT JSON"))
    assert (empty["rows"], empty["meta"]) == (0, [{"name": "x", "type": "UInt8"}])


def test_a_session_keeps_what_it_made_and_nothing_of_the_url(server: Any) -> None:
    session = {"session_id": "s1"}
    server.ask("CREATE TEMPORARY TABLE mine AS SELECT 42 AS x", **session)
    server.ask("SET max_threads = 3", max_block_size=77, **session)
    server.ask("USE system", **session)
    assert server.ask("SELECT x FROM mine", **session) == "42"
    settings = "SELECT getSetting('max_threads'), getSetting('max_block_size')"
    assert server.ask(settings, max_threads=1, max_block_size=5, **session) == "1\t5"
    assert server.ask(settings, **session) == "3\t65409"
    assert server.ask("SELECT currentDatabase()", database="default", **session) == "default"
    assert server.ask("SELECT currentDatabase(), getSetting('async_insert')", **session) == "system\tfalse"
    assert server.post("SELECT x FROM mine").status_code == 404
    server.ask("SELECT 1", close_session=1, **session)
    assert server.post("SELECT 1", session_check=1, **session).headers["X-ClickHouse-Exception-Code"] == "372"
    assert (
        server.post("SELECT 1", session_timeout="x", **session).headers["X-ClickHouse-Exception-Code"]
        == "374"
    )
    assert (
        server.post("SELECT 1", session_timeout="99999", **session).headers["X-ClickHouse-Exception-Code"]
        == "374"
    )


def test_a_session_ends_by_itself(server: Any) -> None:
    server.ask("SELECT 1", session_id="short", session_timeout=1)
    server.ask("SELECT 1", session_id="short", session_timeout=1, session_check=1)
    time.sleep(1.1)
    answer = server.post("SELECT 1", session_id="short", session_check=1)
    assert answer.headers["X-ClickHouse-Exception-Code"] == "372"


def test_a_session_serves_one_request_at_a_time(server: Any) -> None:
    slow = threading.Thread(target=server.ask, args=("SELECT sleep(1)",), kwargs={"session_id": "busy"})
    slow.start()
    time.sleep(0.3)
    answer = server.post("SELECT 1", session_id="busy")
    slow.join()
    assert answer.headers["X-ClickHouse-Exception-Code"] == "373"
    assert server.ask("SELECT 1", session_id="busy") == "1"


def test_one_connection_serves_many_requests(server: Any, table: str) -> None:
    with requests.Session() as session:
        for at in range(3):
            params: dict[str, str] = {"query": f"INSERT INTO {table} FORMAT CSV"}
            raw = {name: value.encode() for name, value in AUTH.items()}
            assert session.post(server.url, params=params, data=f"{at},x\n", headers=raw, timeout=10).ok
        failed = session.post(server.url, data="SELEC", headers=raw, timeout=10)
        assert failed.headers["Connection"].lower() == "keep-alive"
        assert session.post(server.url, data="SELECT 1", headers=raw, timeout=10).text == "1\n"


def test_a_body_is_asked_for_with_100_continue(server: Any) -> None:
    body = b"SELECT 1"
    head = (
        f"POST /?user=reader&password=look HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        "Expect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"1\n" in answer


def test_a_long_query_fits_into_the_url(server: Any) -> None:
    text = "x" * 50_000
    assert get(server, query=f"SELECT length('{text}')").text == "50000\n"


def test_external_tables_come_in_a_form(server: Any) -> None:
    answer = requests.post(
        server.url,
        params={
            "user": "default",
            "password": AUTH["X-ClickHouse-Key"],
            "query": "SELECT sum(_1) AS n, {p:String} AS p, any(city) FROM ids, places",
            "ids_types": "UInt32",
            "places_structure": "city String, code Decimal(9, 2)",
            "places_format": "CSV",
            "session_id": "forms",
        },
        data={"param_p": "from the form"},
        files={"ids": ("ids", "1\n2\n3\n"), "places": ("places", "Köln,1.5\n")},
        timeout=10,
    )
    assert answer.content.decode() == "6\tfrom the form\tKöln\n"
    assert server.post("SELECT * FROM ids", session_id="forms").status_code == 404


def test_kill_query_knows_the_clients_id(server: Any) -> None:
    answers: list[requests.Response] = []
    sql = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
    slow = threading.Thread(target=lambda: answers.append(server.post(sql, query_id="slow one")))
    slow.start()
    time.sleep(0.5)
    assert server.post("SELECT 1", query_id="slow one").headers["X-ClickHouse-Exception-Code"] == "216"
    assert "numbers" in server.ask("SHOW PROCESSLIST")
    server.ask("KILL QUERY WHERE query_id = 'slow one' ASYNC")
    slow.join(20)
    assert answers[0].headers["X-ClickHouse-Exception-Code"] == "394"
