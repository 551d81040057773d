"""A case's scripts on a real PostgreSQL: run as written, on connections that live through the case."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, Self

import psycopg
import pytest

from cdc.errors import SpecError
from local_stack.cases.case_file import Case, parse_case
from local_stack.cases.scripts import CaseScripts
from local_stack.cases.stage import Stage
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


class SourceStage(Stage):
    """Has a source, which is there already, and nothing else."""

    def __init__(self, cases: Sequence[Case], dsn: str) -> None:
        nothing: Any = SimpleNamespace(write=lambda: None, create=lambda: None, dsn=dsn)
        self.place, self.source, self.delivery, self.cases = nothing, nothing, "after", tuple(cases)
        self._say, self._begun, self.broken, self._scripts, self._ended = print, 0.0, set(), {}, {}
        self._found = {case.file: {} for case in cases}
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self


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


def test_a_transaction_is_seen_while_it_is_open_in_any_session(dsn):
    for session in ("", " [session=A]"):
        case = case_of(f"-- step{session}\nBEGIN; SELECT 1;\n-- step{session}\nCOMMIT;\n")
        with CaseScripts(case, dsn) as scripts:
            found = [scripts.in_transaction]
            for step in case.steps:
                scripts.run(step)
                found.append(scripts.in_transaction)
        assert found == [False, True, False]


def test_a_setup_that_leaves_a_transaction_open_fails_its_case_and_no_other(dsn):
    stage = SourceStage(
        [
            parse_case(HEAD + "BEGIN; INSERT INTO t VALUES (1);\n-- step\nCOMMIT;\n", "open.sql"),
            parse_case(HEAD.replace("public.t", "public.u").replace("TABLE t", "TABLE u"), "good.sql"),
        ],
        dsn,
    )
    with stage:
        stage.set_up()
        assert [case.file for case in stage.active] == ["good.sql"]
        assert stage.results()["open.sql"].reason == (
            "open.sql:4: setup: leaves a transaction open, in which nothing can be captured: expected its "
            "COMMIT, or its BEGIN in a step"
        )


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
