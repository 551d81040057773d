"""The keys of a part of a table at the source, page by page, and what is told of that part beforehand."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

from cdc.clients.postgres import connect_postgres
from cdc.comparison.canonical import postgres_text
from cdc.connections import Connection
from cdc.errors import ConfigurationError, UnavailableError
from cdc.model.bounded_run import Scope
from cdc.model.condition import functions_of, refused
from cdc.services.checksums import Key
from cdc.spec import TableSpec
from cdc.types.text import SESSION_SETTINGS

PAGE = 20_000
STATEMENT_TIMEOUT_S = 300
_SETTINGS = {**SESSION_SETTINGS, "standard_conforming_strings": "on"}
_VOLATILE = (
    "SELECT DISTINCT proname FROM pg_proc WHERE proname = ANY(%s) AND provolatile = 'v' ORDER BY proname"
)


@dataclass(frozen=True)
class Page:
    """Some keys in their order.

    Attributes:
        keys: as reconciliation names them.
        last: the last one, where the next page goes on.
    """

    keys: Sequence[Key]
    last: tuple[str, ...]


class SourceKeys:
    """Keys of the rows of a scope, read by the capturing role.

    How it works: each page is a transaction of its own, which may only read and whose statements end after a
    time. Keys travel as parameters. A condition is a person's SQL: it has passed `cdc.model.condition`, it
    must be one expression to the source's own parser in two places that no other text fits, and none of its
    functions may have effects.

    Args:
        connection: the capturing role, which owns nothing.
        table: as it is in effect.
        scope: which rows.
    """

    def __init__(self, connection: Connection, table: TableSpec, scope: Scope) -> None:
        self._connection, self._table, self._scope = connection, table, scope
        self._relation = Identifier(table.schema_name, table.table_name)

    def check(self) -> int:
        """How many rows the source expects, about.

        Raises:
            ConfigurationError: the keys or the condition are not what they have to be; says why.
            UnavailableError: the source does not answer.
        """
        text = self._scope.condition
        functions = functions_of(text) if text else frozenset()
        with self._session() as session:
            if functions:
                effects = [row[0] for row in session.execute(_VOLATILE, (sorted(functions),)).fetchall()]
                if effects:
                    raise refused(
                        text, f"{', '.join(effects)} may have effects or answer differently each time"
                    )
            if text:
                # What closes the parenthesis of the other place is no expression in this one.
                as_case = SQL("EXPLAIN SELECT CASE WHEN {} THEN 1 END FROM {}")
                _execute(session, as_case.format(_verbatim(text), self._relation))
            explain = SQL("EXPLAIN (FORMAT JSON) SELECT 1 FROM {}{}").format(self._relation, self._where(()))
            ((plan,),) = _execute(session, explain, self._values(()))
        return int(plan[0]["Plan"]["Plan Rows"])

    def pages(self, after: tuple[str, ...], size: int) -> Iterator[Page]:
        """Every page behind this key."""
        while True:
            page = self._page(after, size)
            if page is None:
                return
            yield page
            after = page.last

    def filter_text(self) -> str:
        """The scope as the text of one condition, for Debezium, which takes no parameters."""
        values = [SQL("({})").format(SQL(", ").join(map(Literal, key))) for _, key in self._limits(())]
        return " AND ".join(part.as_string(None) for part in self._conditions((), values))

    def _page(self, after: tuple[str, ...], size: int) -> Page | None:
        columns = self._table.key_columns
        names = [Identifier(column.name) for column in columns]
        shown = [*map(postgres_text, columns), *(SQL("{}::text").format(name) for name in names)]
        # ORDER BY takes an output column of the key's name, which would be its text, before the key.
        aliased = [
            SQL("{} AS {}").format(text, Identifier(f"_cdc_shown_{number}"))
            for number, text in enumerate(shown)
        ]
        statement = SQL("SELECT {} FROM {}{} ORDER BY {} LIMIT {}").format(
            SQL(", ").join(aliased),
            self._relation,
            self._where(after),
            SQL(", ").join(names),
            Literal(size),
        )
        with self._session() as session:
            rows = _execute(session, statement, self._values(after))
        if not rows:
            return None
        width = len(columns)
        return Page([tuple(row[:width]) for row in rows], tuple(rows[-1][width:]))

    def _where(self, after: tuple[str, ...]) -> Composable:
        number = count(1)
        marks = [
            SQL("({})").format(SQL(", ").join(SQL(f"${next(number)}") for _ in key))
            for _, key in self._limits(after)
        ]
        conditions = self._conditions(after, marks)
        return SQL(" WHERE ") + SQL(" AND ").join(conditions) if conditions else SQL("")

    def _values(self, after: tuple[str, ...]) -> list[str]:
        return [value for _, key in self._limits(after) for value in key]

    def _limits(self, after: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        limits = ((">", after), (">=", self._scope.begins), ("<", self._scope.ends))
        return [(operator, key) for operator, key in limits if key]

    def _conditions(self, after: tuple[str, ...], values: Sequence[Composable]) -> list[Composable]:
        row = SQL("({})").format(SQL(", ").join(Identifier(name) for name in self._table.key))
        found: list[Composable] = [
            SQL("{} {} {}").format(row, SQL(operator), value)
            for (operator, _), value in zip(self._limits(after), values, strict=True)
        ]
        if self._scope.condition:
            found.append(SQL("({})").format(_verbatim(self._scope.condition)))
        return found

    @contextlib.contextmanager
    def _session(self) -> Iterator[psycopg.Connection[Any]]:
        with connect_postgres(
            self._connection, application_name="cdc-backfill", statement_timeout_s=STATEMENT_TIMEOUT_S
        ) as session:
            session.read_only = True
            try:
                for name, value in _SETTINGS.items():
                    session.execute("SELECT set_config(%s, %s, true)", (name, value))
                yield session
            except psycopg.errors.QueryCanceled as error:
                raise ConfigurationError(
                    f"{self._table.source}: the source did not find the rows of the next page within "
                    f"{STATEMENT_TIMEOUT_S} s: choose a range of keys, or a condition that an index serves"
                ) from error
            except psycopg.OperationalError as error:
                raise UnavailableError(
                    f"{self._table.source}: the source does not answer: {error}"
                ) from error
            except psycopg.Error as error:
                said = " ".join(str(error).split("\n")[:1])
                raise self._wrong(said) from error

    def _wrong(self, said: str) -> ConfigurationError:
        scope = self._scope
        if scope.condition and not (scope.begins or scope.ends):
            return refused(scope.condition, f"PostgreSQL says: {said}")
        key = ", ".join(f"{column.name} {column.pg_type}" for column in self._table.key_columns)
        return ConfigurationError(
            f"{self._table.source}: received {scope.sentence!r}, expected values of the key ({key}), and a "
            f"boolean expression if any; PostgreSQL says: {said}"
        )


def _verbatim(condition: str) -> SQL:
    """The text on lines of its own."""
    return SQL(f"\n{condition}\n")


def _execute(
    session: psycopg.Connection[Any], statement: Composable, values: Sequence[str] = ()
) -> list[tuple[Any, ...]]:
    """Run it as a prepared statement, which is a single one to the server and in which % means nothing."""
    cursor = psycopg.RawCursor(session)
    text = statement.as_string(None).encode()
    return cursor.execute(text, list(values) or None, prepare=True).fetchall()
