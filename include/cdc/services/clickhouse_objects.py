"""A ClickHouse sink's databases, tables and views, compared with the pipeline and made."""

from __future__ import annotations

from collections.abc import Collection

from clickhouse_connect.driver.exceptions import ClickHouseError

from cdc.clients.clickhouse import connect_clickhouse, mapped_errors
from cdc.connections import Connections
from cdc.ddl import clickhouse
from cdc.ddl.columns import sink_columns, view_columns
from cdc.errors import ConfigurationError, SchemaChangedError
from cdc.services.changes import Change, OnStep
from cdc.spec import ClickHouseSink, Pipeline, TableSpec


class ClickHouseObjects:
    """What one ClickHouse sink needs for every table of the pipeline.

    A table that waits for an approval, named by `blocked`, stays as it is where it is: what is declared may
    be what its new build will have.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        sink: ClickHouseSink,
        connections: Connections,
        blocked: Collection[str] = (),
    ) -> None:
        self._pipeline, self._sink, self._blocked = pipeline, sink, blocked
        self._connection = connections.get(sink.connection)

    def pending(self) -> list[Change]:
        """Tables and views that are missing or lack columns.

        Raises:
            SchemaChangedError: a column has another type than the pipeline declares.
        """
        with mapped_errors(self._connection):
            client = connect_clickhouse(self._connection)
            try:
                return [change for table in self._pipeline.tables for change in self._changes(client, table)]
            finally:
                client.close()

    def run(self, on_step: OnStep) -> None:
        """Run every table's statements; each can be run again."""
        pending = self.pending()
        with mapped_errors(self._connection):
            client = connect_clickhouse(self._connection)
            try:
                for table in self._pipeline.tables:
                    if table.name in self._blocked and columns_of(client, *self._sink.raw_table(table.name)):
                        continue
                    for statement in (
                        *self._null_statements(client, table),
                        *clickhouse.statements(self._pipeline, self._sink, table),
                    ):
                        client.command(statement)
            except ClickHouseError as error:
                if getattr(error, "code", None) is None:
                    raise
                raise ConfigurationError(
                    f"ClickHouse ({self._connection.id}) refuses a statement of {self._sink.name}: {error}"
                ) from error
            finally:
                client.close()
        for change in pending:
            on_step(str(change))

    def _changes(self, client: object, table: TableSpec) -> list[Change]:
        raw, view = self._sink.raw_table(table.name), self._sink.view(table.name)
        there = columns_of(client, *raw)
        wanted = {column.name: column.clickhouse for column in sink_columns(table)}
        subject = f"{self._sink.name}: {'.'.join(raw)}"
        if there and table.name in self._blocked:
            return []
        if not there:
            changes = [Change("ddl", subject, f"create table with {len(wanted)} columns")]
        else:
            _check_types(subject, there, wanted)
            missing = [name for name in wanted if name not in there]
            changes = [Change("ddl", subject, f"add column {name}") for name in missing]
            strict = [name for name, kind in wanted.items() if _is_strict(there.get(name), kind)]
            changes += [Change("ddl", subject, f"let column {name} be NULL") for name in strict]
        shown = [column.name for column in view_columns(table)]
        if list(columns_of(client, *view)) != shown:
            changes.append(Change("ddl", f"{self._sink.name}: {'.'.join(view)}", "make the readers' view"))
        return changes

    def _null_statements(self, client: object, table: TableSpec) -> list[str]:
        there = columns_of(client, *self._sink.raw_table(table.name))
        return [
            clickhouse.allow_null(self._sink, table, column)
            for column in sink_columns(table)
            if _is_strict(there.get(column.name), column.clickhouse)
        ]


def _is_strict(there: str | None, wanted: str) -> bool:
    """The column is of the wanted type but for NULL, which it cannot hold yet."""
    if there is None:
        return False
    plain = there.removeprefix("LowCardinality(")
    inner = f"LowCardinality(Nullable({plain}" if plain != there else f"Nullable({there}"
    return wanted == f"{inner})"


def columns_of(client: object, database: str, table: str) -> dict[str, str]:
    """The columns of a table or view with their types, in their order; none when it does not exist."""
    result = client.query(  # type: ignore[attr-defined]
        "SELECT name, type FROM system.columns WHERE database = {d:String} AND table = {t:String} ORDER BY "
        "position",
        parameters={"d": database, "t": table},
    )
    return dict(result.result_rows)


def _check_types(subject: str, there: dict[str, str], wanted: dict[str, str]) -> None:
    wrong = [
        f"{name} is {there[name]}, declared is {kind}"
        for name, kind in wanted.items()
        if name in there
        and there[name].replace(" ", "") != kind.replace(" ", "")
        and not _is_strict(there[name], kind)
    ]
    if ("_is_deleted" in there) != ("_is_deleted" in wanted):
        wrong.append("the table was made for the other mode")
    if wrong:
        raise SchemaChangedError(
            f"{subject} has columns of other types: {'; '.join(wrong)}. Types are not changed in place: "
            "give the "
            "table another name in the pipeline and let it be filled anew, or alter the column by hand"
        )
