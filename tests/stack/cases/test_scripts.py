"""A case's scripts on a real PostgreSQL: run as written, on connections that live through the case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from cdc.errors import SpecError
from local_stack.cases.case_file import Case, parse_case
from local_stack.cases.scripts import CaseScripts
from tests.stack.cdc.conftest import postgres  # noqa: F401 - a fixture

HEAD = "-- tables: public.t\n-- expect: equal\n-- setup\nCREATE TABLE t (id int PRIMARY KEY, v text);\n"


@pytest.fixture
def dsn(postgres: Any, request: pytest.FixtureRequest) -> str:  # noqa: F811
    name = request.node.name[:50]
    return str(postgres.create_database(name).dsn())


@pytest.fixture
def rows(dsn: str) -> Iterator[Callable[[], list[tuple[Any, ...]]]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield lambda: connection.execute("SELECT id, v FROM t ORDER BY id").fetchall()


def case_of(steps: str) -> Case:
    return parse_case(HEAD + steps, "a.sql")


def play(case: Case, dsn: str) -> None:
    with CaseScripts(case, dsn) as scripts:
        scripts.run(case.setup, *case.steps)
        scripts.finish()


def test_a_script_of_many_statements_is_sent_as_it_is(dsn, rows):
    play(case_of("-- step\nINSERT INTO t VALUES (1, '100% %s {}');\nUPDATE t SET v = v || '?';\n"), dsn)
    assert rows() == [(1, "100% %s {}?")]


def test_a_session_keeps_its_transaction_open_over_other_steps(dsn, rows):
    case = case_of(
        "-- step [session=A]\nBEGIN; INSERT INTO t VALUES (1, 'a');\n"
        "-- step\nINSERT INTO t VALUES (2, 'b');\n"
        "-- step [session=A]\nCOMMIT;\n"
    )
    with CaseScripts(case, dsn) as scripts:
        scripts.run(case.setup, *case.steps[:2])
        assert rows() == [(2, "b")]
        scripts.run(case.steps[2])
        assert rows() == [(1, "a"), (2, "b")]


def test_a_script_that_waits_for_another_session_is_left_waiting(dsn, rows):
    play(
        case_of(
            "-- step\nINSERT INTO t VALUES (1, 'a');\n-- step [session=A]\nBEGIN; UPDATE t SET v = 'A';\n"
            "-- step [session=B]\nUPDATE t SET v = v || 'B';\n-- step [session=A]\nCOMMIT;\n"
        ),
        dsn,
    )
    assert rows() == [(1, "AB")]


def test_a_transaction_that_is_left_open_is_rolled_back(dsn, rows):
    play(case_of("-- step [session=A]\nBEGIN; INSERT INTO t VALUES (1, 'a');\n"), dsn)
    assert rows() == []


def test_a_refused_statement_is_named_with_its_line(dsn):
    with pytest.raises(SpecError, match=r"^a\.sql:7: step 1: column \"x\"") as caught:
        play(case_of("-- step\nSELECT 1;\nUPDATE t SET x = 1;\n"), dsn)
    assert caught.value.line == 7


def test_scripts_that_wait_for_each_other_end_with_postgres_own_words(dsn):
    steps = (
        "-- step\nINSERT INTO t VALUES (1), (2);\n"
        "-- step [session=A]\nBEGIN; UPDATE t SET v = 'A' WHERE id = 1;\n"
        "-- step [session=B]\nBEGIN; UPDATE t SET v = 'B' WHERE id = 2;\n"
        "-- step [session=A]\nUPDATE t SET v = 'A' WHERE id = 2;\n"
        "-- step [session=B]\nUPDATE t SET v = 'B' WHERE id = 1;\n"
    )
    with pytest.raises(SpecError, match="deadlock detected"):
        play(case_of(steps), dsn)
