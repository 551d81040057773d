"""Keys of a part of a table, on a real PostgreSQL: pages in order, and what a person must not write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg
import pytest

from cdc.connections import Connection
from cdc.errors import ConfigurationError
from cdc.model.bounded_run import Scope
from cdc.services.source_keys import SourceKeys
from cdc.spec import TableSpec

NUMBERS = count(1)
TABLE = TableSpec.model_validate(
    {
        "source": 'public."we""ird %s"',
        "name": "weird",
        "key": ["a", "b%"],
        "columns": [
            {"name": "a", "type": "integer", "nullable": False},
            {"name": "b%", "type": "text", "nullable": False},
            {"name": "note", "type": "text"},
            {"name": "values", "type": "numeric(8,2)"},
        ],
    }
)


@dataclass
class Place:
    connection: Connection
    session: psycopg.Connection[Any]

    def keys(
        self, condition: str = "", begins: tuple[str, ...] = (), ends: tuple[str, ...] = ()
    ) -> SourceKeys:
        return SourceKeys(self.connection, TABLE, Scope(begins, ends, condition))

    def found(self, size: int = 3, after: tuple[str, ...] = (), **scope: Any) -> list[str]:
        return [",".join(page.last) for page in self.keys(**scope).pages(after, size)]


@pytest.fixture(scope="module")
def place(postgres: Any) -> Iterator[Place]:
    connection = postgres.create_database(f"keys{next(NUMBERS)}")
    with psycopg.connect(connection.dsn(), autocommit=True) as session:
        session.execute(
            'CREATE TABLE "we""ird %s" (a int, "b%" text, note text, "values" numeric(8, 2), '
            'PRIMARY KEY (a, "b%"))'
        )
        session.execute(
            "INSERT INTO \"we\"\"ird %s\" SELECT n / 2, CASE n % 2 WHEN 0 THEN 'x' ELSE 'y''z' END, "
            "n || '%', n FROM generate_series(0, 25) AS n"
        )
        session.execute('ANALYZE "we""ird %s"')
        session.execute("CREATE SEQUENCE numbers")
        session.execute(
            "CREATE FUNCTION public.harm(int) RETURNS boolean VOLATILE LANGUAGE sql AS $$ SELECT true $$"
        )
        yield Place(connection, session)


def test_pages_follow_the_key_and_go_on_behind_one(place: Place) -> None:
    assert place.found(size=8) == ["3,y'z", "7,y'z", "11,y'z", "12,y'z"]
    assert place.found(size=8, after=("7", "y'z")) == ["11,y'z", "12,y'z"]
    assert place.found(size=100, begins=("2", "y'z"), ends=("4", "x")) == ["3,y'z"]
    (page,) = place.keys(begins=("2", "y'z"), ends=("4", "x")).pages((), 100)
    assert [key[0] for key in page.keys] == ["2", "3", "3"]


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("note LIKE '1%' AND note <> '%s'", 11),
        ("a = 1 OR a = 2", 4),
        ('"values" > 17.5 AND lower("b%") = \'x\'', 4),
        ("a IN (1, 2) AND note IS NOT NULL AND a < extract(year FROM now())", 4),
        ("NOT (a > 0)", 2),
    ],
)
def test_a_condition_is_one_of_several(place: Place, condition: str, rows: int) -> None:
    keys = place.keys(condition)
    assert keys.check() >= 0
    assert sum(len(page.keys) for page in keys.pages((), 4)) == rows
    limited = place.keys(condition, begins=("1", ""), ends=("2", ""))
    assert {key[0] for page in limited.pages((), 100) for key in page.keys} <= {"1"}


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("a + 1", "must be type boolean"),
        ("nothing = 1", 'column "nothing" does not exist'),
        ("a = 'x'", "invalid input syntax"),
        ("a = ", "syntax error"),
        ("a = 1 a = 2", "syntax error"),
        ("a = 1 THEN 1 END, CASE WHEN true", "syntax error"),
        ("true ORDER BY 1", "syntax error"),
        ("true GROUP BY a", "syntax error"),
        ("true, true", "syntax error"),
        ("count(*) > 0", "aggregate functions are not allowed"),
        ("pg_sleep(100) IS NULL", "pg_sleep may have effects"),
        ("pg_catalog.pg_terminate_backend(1)", "pg_terminate_backend may have effects"),
        ("nextval('numbers') > 0", "nextval may have effects"),
        ("set_config('transaction_read_only', 'off', false) = 'off'", "set_config may have effects"),
        ("random() < 0.5", "random may have effects"),
        ("public . harm (a)", "harm may have effects"),
        ('"harm"(a)', "harm may have effects"),
        ("(SELECT true)", "subqueries are not taken"),
        ('true); DELETE FROM "we""ird %s"; --', "outside of a string"),
    ],
)
def test_what_is_no_single_boolean_expression_is_refused_with_the_reason(
    place: Place, condition: str, said: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        place.keys(condition).check()
    assert said in str(refusal.value)
    assert "expected one boolean expression" in str(refusal.value)


def test_keys_travel_as_values(place: Place) -> None:
    hostile = ("0", '\' OR true; DROP TABLE "we""ird %s"; --')
    assert place.found(size=100, begins=hostile, ends=("0", "zzz")) == ["0,y'z"]
    with pytest.raises(ConfigurationError, match="expected values of the key"):
        place.keys(begins=("1; DROP", "x")).check()
    shown = place.session.execute('SELECT count(*) FROM "we""ird %s" WHERE ' + text(place, hostile))
    assert shown.fetchone() == (26,)


def text(place: Place, begins: tuple[str, ...]) -> Any:
    """The scope as Debezium gets it."""
    filtered = place.keys(begins=begins).filter_text()
    assert filtered.startswith('("a", "b%") >= (')
    return filtered
