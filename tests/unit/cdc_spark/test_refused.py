"""Which rows a sink refuses is found by halving, in the rows' order."""

from __future__ import annotations

import psycopg
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc.errors import RefusedError, TerminalError, UnavailableError
from cdc_spark.writers.failures import clickhouse_failure, postgres_failure
from cdc_spark.writers.refused import write_pieces


class Sink:
    """Takes pieces whole or not at all."""

    def __init__(self, bad: set[int]) -> None:
        self.bad, self.tries = bad, 0
        self.written: list[int] = []

    def write(self, rows: pa.Table) -> None:
        self.tries += 1
        numbers = rows["n"].to_pylist()
        wrong = [number for number in numbers if number in self.bad]
        if wrong:
            raise RefusedError(f"no {wrong[0]}")
        self.written += numbers


def rows(count: int) -> pa.Table:
    return pa.table({"n": list(range(count))})


@settings(deadline=None)
@given(st.integers(1, 60), st.sets(st.integers(0, 59)))
def test_every_other_row_is_written_once_and_in_order(count: int, bad: set[int]) -> None:
    sink = Sink(bad)
    refused = write_pieces(rows(count), sink.write, 100)
    here = {number for number in bad if number < count}
    assert refused.reasons == {number: f"no {number}" for number in here}
    assert refused.others == set()
    assert sink.written == [number for number in range(count) if number not in here]


def test_one_bad_row_of_many_costs_a_few_tries() -> None:
    sink = Sink({77_777})
    refused = write_pieces(rows(200_000), sink.write, 100)
    assert list(refused.reasons) == [77_777]
    assert sink.tries < 40


def test_beyond_the_limit_pieces_are_left_whole() -> None:
    sink = Sink(set(range(1000)))
    refused = write_pieces(rows(1000), sink.write, 3)
    assert list(refused.reasons) == [0, 1, 2]
    assert refused.others == set(range(3, 1000))
    assert all(number in refused for number in range(1000))
    assert sink.tries < 30


def test_another_failure_is_not_the_rows() -> None:
    def away(_: pa.Table) -> None:
        raise UnavailableError("gone")

    with pytest.raises(UnavailableError):
        write_pieces(rows(3), away, 10)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.errors.CheckViolation("x"), RefusedError),
        (psycopg.errors.InvalidTextRepresentation("x"), RefusedError),
        (psycopg.errors.ProgramLimitExceeded("x"), RefusedError),
        (psycopg.errors.RaiseException("x"), RefusedError),
        (psycopg.errors.DatatypeMismatch("x"), UnavailableError),
        (psycopg.errors.AdminShutdown("x"), UnavailableError),
        (psycopg.errors.SyntaxError("x"), TerminalError),
    ],
)
def test_postgres_says_whether_it_is_the_row(error: psycopg.Error, kind: type[Exception]) -> None:
    assert type(postgres_failure("writing", error)) is kind


@pytest.mark.parametrize(
    ("code", "kind"), [(469, RefusedError), (62, TerminalError), (252, UnavailableError)]
)
def test_clickhouse_says_whether_it_is_the_row(code: int, kind: type[Exception]) -> None:
    error = DatabaseError("x")
    error.code = code
    assert type(clickhouse_failure("inserting", error)) is kind
    assert type(clickhouse_failure("inserting", OperationalError("x"))) is UnavailableError
