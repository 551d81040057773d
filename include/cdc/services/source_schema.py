"""What the source's catalogue says now about the captured tables, beside what the sinks were built from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cdc.clients.postgres import connect_postgres
from cdc.connections import Connection
from cdc.model.schema_verdict import Verdict, verdict
from cdc.model.source_table import FoundTable
from cdc.ops import TableSchema
from cdc.services.capturable import as_found
from cdc.services.catalogue import SourceTable, read_tables
from cdc.services.effective import effective_table
from cdc.spec import TableSpec


@dataclass(frozen=True)
class SourceSchema:
    """The source's tables by name and by number."""

    by_name: Mapping[str, FoundTable]
    by_number: Mapping[int, FoundTable]

    @classmethod
    def of(cls, tables: Iterable[SourceTable]) -> SourceSchema:
        """From the catalogue."""
        found = [as_found(table) for table in tables]
        return cls({table.source: table for table in found}, {table.oid: table for table in found})


@dataclass(frozen=True)
class Judged:
    """One table with what became of it at the source.

    Attributes:
        declared: as the pipeline file has it.
        table: as it is in effect.
        schema: what the sinks were built from.
        found: the source's table of that name.
    """

    declared: TableSpec
    table: TableSpec
    schema: TableSchema
    found: FoundTable | None
    verdict: Verdict


def read_source(
    connection: Connection, schemas: Sequence[str] | None = None, role: str | None = None
) -> SourceSchema:
    """Read the catalogue.

    Args:
        connection: any role of the source.
        schemas: only these; a table that has moved to another one is then not found.
        role: who captures the tables; by default that of the connection.

    Raises:
        UnavailableError: the source does not answer.
    """
    with connect_postgres(connection, autocommit=True, application_name="cdc-schema") as session:
        return SourceSchema.of(read_tables(session, schemas, role=role))


def judge(
    tables: Iterable[TableSpec], schemas: Mapping[str, TableSchema], source: SourceSchema
) -> tuple[Judged, ...]:
    """Judge the tables of a pipeline file; one that was never applied has nothing to compare with. Pure."""
    judged = []
    for declared in tables:
        schema = schemas.get(declared.name)
        if schema is None:
            continue
        table = effective_table(declared, schema)
        found, moved = source.by_name.get(table.source), source.by_number.get(schema.built.oid)
        moved_to = moved.source if moved is not None and moved.source != table.source else ""
        judged.append(Judged(declared, table, schema, found, verdict(table, schema.built, found, moved_to)))
    return tuple(judged)
