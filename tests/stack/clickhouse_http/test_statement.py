"""Where a statement is cut, decided without an engine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_stack.clickhouse_http.errors import ClickHouseError
from local_stack.clickhouse_http.statement import Kind, parse_statement, reading_file


def parse(text: bytes):
    found = parse_statement(text, complete=True)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("head", "form", "data"),
    [
        (b"INSERT INTO t FORMAT CSV\n", "CSV", b"1,2\n"),
        (b"insert into t (a, `format`) format JSONEachRow ", "JSONEachRow", b'{"a":1}'),
        (b"INSERT INTO t SETTINGS async_insert=0 VALUES", "Values", b" (1, 'FORMAT CSV')"),
        (b"INSERT INTO db.values (x) VALUES", "Values", b"(1)"),
        (b"INSERT INTO format FORMAT TSV\r\n", "TSV", b"\n1"),
        (b"-- first\nINSERT INTO FUNCTION file('x', 'CSV') FORMAT Native\n", "Native", b"\x00\xff'\n"),
        (b"INSERT INTO t -- VALUES\n (a) /* FORMAT x */ FORMAT RowBinary\n", "RowBinary", b"abc"),
    ],
)
def test_the_data_of_an_insert_begin_behind_its_head(head: bytes, form: str, data: bytes) -> None:
    found = parse(head + data)
    assert (found.kind, found.format, (head + data)[found.data_at :]) == (Kind.INSERT, form, data)
    assert "FORMAT " + form not in found.text


@given(cut=st.integers(0, 60), data=st.binary(min_size=3, max_size=40))
def test_an_insert_is_cut_at_the_same_place_however_it_arrives(cut: int, data: bytes) -> None:
    head = b"INSERT INTO t (a, b) SETTINGS x = 'FORMAT y' FORMAT Native\n"
    whole = head + data
    early = parse_statement(whole[:cut], complete=False)
    assert early is None or early.data_at == len(head)
    assert parse(whole).data_at == len(head)


def test_insert_select_has_no_data_unless_it_reads_input() -> None:
    assert parse(b"INSERT INTO t SELECT * FROM values('a Int8', 1)").kind is Kind.OTHER
    assert parse(b"INSERT INTO t SELECT format('{}', a) FROM u").kind is Kind.OTHER
    found = parse(b"INSERT INTO t SELECT x + 1 FROM input('x Int8') FORMAT CSV\n1\n")
    assert (found.kind, found.format) == (Kind.INSERT_INPUT, "CSV")
    assert reading_file(found, "/f") == "INSERT INTO t SELECT x + 1 FROM file('/f', 'CSV', 'x Int8') "


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("INSERT INTO t (a) VALUES (1)", "INSERT INTO t (a)  FROM INFILE '/f'  FORMAT `Values`"),
        (
            "INSERT INTO settings SETTINGS a = 1 FORMAT CSV\n",
            "INSERT INTO settings  FROM INFILE '/f' SETTINGS a = 1  FORMAT `CSV`",
        ),
    ],
)
def test_an_insert_reads_its_data_from_a_file(head: str, expected: str) -> None:
    assert reading_file(parse(head.encode()), "/f") == expected


def test_a_select_is_cut_at_its_last_format_clause() -> None:
    found = parse(
        b"SELECT 'FORMAT a' AS format, (SELECT 1) FROM t FORMAT JSON SETTINGS max_threads = 1 ; -- end"
    )
    assert found.head == "SELECT 'FORMAT a' AS format, (SELECT 1) FROM t "
    assert (found.kind, found.format, found.tail) == (Kind.SELECT, "JSON", "SETTINGS max_threads = 1")
    assert parse(b"SELECT format FROM t").format is None


@pytest.mark.parametrize("sql", [b"SELECT 1 INTO OUTFILE 'x'", b"INSERT INTO t FROM INFILE 'x' FORMAT CSV"])
def test_files_of_the_server_are_not_for_clients(sql: bytes) -> None:
    with pytest.raises(ClickHouseError):
        parse(sql)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_statement_or_an_error(text: bytes) -> None:
    try:
        parse(text)
    except ClickHouseError:
        return
