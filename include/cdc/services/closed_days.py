"""Builds days that are over, each once: the batch side that downstream DAGs put on top of change data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import psycopg
from clickhouse_connect.driver.exceptions import ClickHouseError

from cdc.clients.clickhouse import connect_clickhouse, mapped_errors
from cdc.clients.postgres import connect_postgres
from cdc.connections import Connections
from cdc.errors import ConfigurationError, UnavailableError
from cdc.model.days import closed_until, days_to_build, waiting_for
from cdc.ops import OpsStore
from cdc.spec import ClickHouseSink, Pipeline, SinkSpec

Run = Callable[[str, date | None], list[tuple[object, ...]]]


@dataclass(frozen=True)
class DayBuild:
    """What is built for each day.

    Attributes:
        name: under which the built days are remembered.
        tables: the tables that are read, by their names in the sinks; all must be complete beyond the day.
        prepare: statements that may run at any time: schemas and tables.
        candidates: a query for the days that there is something to build of, one `date` a row.
        statements: what builds a day again from nothing; the day is the parameter `day`, written
            `%(day)s` in the warehouse, where they are one transaction, and `{day:Date32}` in ClickHouse.
    """

    name: str
    tables: tuple[str, ...]
    prepare: tuple[str, ...]
    candidates: str
    statements: tuple[str, ...]


@dataclass(frozen=True)
class BuildReport:
    """The days that were built, and why no other was."""

    days: tuple[date, ...]
    waiting: str


def build_closed_days(
    pipeline: Pipeline,
    sink_name: str,
    build: DayBuild,
    connections: Connections,
    *,
    again_from: date | None = None,
    on_day: Callable[[date], None] = lambda _: None,
) -> BuildReport:
    """Build every day that is over and was not built.

    Args:
        pipeline: the pipeline.
        sink_name: where it is built.
        build: what is built.
        connections: of the sink and the ops store.
        again_from: days from this one on are built again.
        on_day: called before each day.

    A run that dies between a day's statements and its record builds that day once more, from nothing.

    Raises:
        UnavailableError: the sink or the ops store does not answer.
        ConfigurationError: the build names no table or sink of the pipeline, or its SQL is refused.
    """
    sink = pipeline.sink(sink_name)
    tables = [pipeline.table(name).name for name in build.tables]
    with OpsStore(connections.get(pipeline.ops.connection)) as ops:
        ops.ensure_schema()
        known = ops.watermarks(pipeline.name)
        closed = closed_until(tables, sink.name, known)
        if closed is None:
            return BuildReport((), waiting_for(tables, sink.name, known))
        with _session(sink, connections) as (run, transaction):
            for statement in build.prepare:
                run(statement, None)
            candidates = {_day(row[0]) for row in run(build.candidates, None)}
            built = ops.built_days(pipeline.name, build.name, sink.name)
            done = {day for day in built if again_from is None or day < again_from}
            # Of a day that was built, everything may be gone since.
            days = days_to_build(candidates | (set(built) - done), closed, done)
            for day in days:
                on_day(day)
                with transaction():
                    for statement in build.statements:
                        run(statement, day)
                ops.record_built_day(pipeline.name, build.name, sink.name, day, closed)
    return BuildReport(tuple(days), waiting_for(tables, sink.name, known))


Transaction = Callable[[], contextlib.AbstractContextManager[object]]


@contextlib.contextmanager
def _session(sink: SinkSpec, connections: Connections) -> Iterator[tuple[Run, Transaction]]:
    connection = connections.get(sink.connection)
    if isinstance(sink, ClickHouseSink):
        with mapped_errors(connection):
            client = connect_clickhouse(connection, send_receive_timeout_s=600)

            def run_ch(statement: str, day: date | None) -> list[tuple[object, ...]]:
                parameters = {} if day is None else {"day": day}
                if statement.lstrip()[:6].upper() == "SELECT":
                    return [tuple(row) for row in client.query(statement, parameters=parameters).result_rows]
                client.command(statement, parameters=parameters)
                return []

            try:
                yield run_ch, contextlib.nullcontext
            except ClickHouseError as error:
                raise ConfigurationError(f"ClickHouse refuses the build: {error}") from error
            finally:
                client.close()
        return
    try:
        with connect_postgres(connection, autocommit=True, application_name="cdc-build") as postgres:

            def run_pg(statement: str, day: date | None) -> list[tuple[object, ...]]:
                cursor = postgres.execute(statement.encode(), None if day is None else {"day": day})
                return cursor.fetchall() if cursor.description else []

            yield run_pg, postgres.transaction
    except psycopg.OperationalError as error:
        raise UnavailableError(f"the warehouse does not answer: {str(error).strip()}") from error
    except psycopg.Error as error:
        raise ConfigurationError(f"the warehouse refuses the build: {str(error).strip()}") from error


def _day(value: object) -> date:
    if isinstance(value, date):
        return value
    raise ConfigurationError(f"the build's candidates are {value!r}, expected a column of type date")
