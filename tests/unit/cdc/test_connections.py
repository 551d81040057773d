"""Connections are read from Airflow's file format."""

import json
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.connections import Connection, Connections
from cdc.errors import ConfigurationError

printable = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)


def write(folder: Path, document: object) -> Path:
    path = folder / "connections.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_entries_are_read_as_airflow_writes_them(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "a": {
                "conn_type": "postgres",
                "host": "h",
                "port": 1,
                "login": "u",
                "schema": "db",
                "extra": None,
            },
            "b": [{"conn_type": "kafka", "extra": '{"bootstrap.servers": "k:1,l:2"}'}],
        },
    )
    connections = Connections.from_file(path)
    assert connections.ids() == ("a", "b")
    assert connections.get("a").schema_ == "db"
    assert connections.get("b").bootstrap_servers() == "k:1,l:2"


def test_what_is_written_reads_the_same(tmp_path: Path) -> None:
    first = Connections.from_mapping({"a": {"conn_type": "http", "host": "h", "port": 8, "extra": {"x": 1}}})
    again = Connections.from_file(write(tmp_path, first.to_document()))
    assert again.get("a") == first.get("a")


def test_an_unknown_id_lists_those_that_are_known() -> None:
    connections = Connections([Connection(id="x", conn_type="http"), Connection(id="a", conn_type="http")])
    with pytest.raises(ConfigurationError, match="no connection 'b'; known are: a, x"):
        connections.get("b")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "expected an object of connections by id"),
        ({"a": "postgres://x"}, "a: expected an object with conn_type"),
        ({"a": {"host": "h"}}, "a.conn_type: Field required"),
        ({"a": {"conn_type": "http", "port": "x"}}, "a.port: Input should be a valid integer"),
    ],
)
def test_an_invalid_file_names_the_entry(tmp_path: Path, document: object, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Connections.from_file(write(tmp_path, document))


def test_a_missing_file_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="written when the stack starts"):
        Connections.from_file(tmp_path / "none.json")


def test_the_password_is_not_in_the_representation() -> None:
    assert "secret" not in repr(
        Connection(id="a", conn_type="http", password="secret", extra={"k": "secret"})
    )


@given(login=printable, password=printable, database=printable)
def test_a_dsn_carries_any_login_and_database(login: str, password: str, database: str) -> None:
    connection = Connection(
        id="a", conn_type="postgres", host="h", port=5, login=login, password=password, schema_=database
    )
    parsed = psycopg.conninfo.conninfo_to_dict(connection.dsn(connect_timeout=3))
    assert (parsed["user"], parsed["password"], parsed["dbname"]) == (login, password, database)
    assert (parsed["host"], str(parsed["port"]), str(parsed["connect_timeout"])) == ("h", "5", "3")


def test_a_dsn_says_how_tls_is_wanted() -> None:
    extra = {"sslmode": "verify-full", "sslrootcert": "/a b/root.crt", "sslkey": "", "options": "-c x=1"}
    parsed = psycopg.conninfo.conninfo_to_dict(
        Connection(id="a", conn_type="postgres", host="h", extra=extra).dsn()
    )
    assert {name: value for name, value in parsed.items() if name != "dbname"} == {
        "host": "h",
        "sslmode": "verify-full",
        "sslrootcert": "/a b/root.crt",
    }


def test_urls() -> None:
    assert Connection(id="a", conn_type="http", host="h", port=8123).url() == "http://h:8123"
    assert (
        Connection(id="a", conn_type="http", host="::1", port=1, schema_="https").url() == "https://[::1]:1"
    )
    with pytest.raises(ConfigurationError, match="'a' has no host"):
        Connection(id="a", conn_type="http").url()
