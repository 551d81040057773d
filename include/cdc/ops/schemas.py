"""Schemas of tables: what the sinks were built from, and what was made of it since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from psycopg.types.json import Jsonb

from cdc.model.source_table import BuiltFrom
from cdc.ops.base import OpsDatabase
from cdc.ops.records import TableSchema

_PLACE = 'pipeline = %s AND "table" = %s'


class SchemaStore(OpsDatabase):
    """One schema for each table; without one, the pipeline file says it all."""

    def table_schemas(self, pipeline: str) -> dict[str, TableSchema]:
        """The schemas of a pipeline's tables, by the table's name in the sinks."""
        rows = self.rows(
            'SELECT "table", built, declared, definition, generation, previous, revision '
            "FROM cdc_ops.table_schemas "
            'WHERE pipeline = %s ORDER BY "table"',
            (pipeline,),
        )
        return {
            row["table"]: TableSchema(**{**row, "built": BuiltFrom.from_document(row["built"])})
            for row in rows
        }

    def schema_revision(self, pipeline: str, topics: Sequence[str]) -> int:
        """Another number after each change of a definition, or of a topic's generations.

        Of the sum, since a lower revision may become visible after a higher one of another table.
        """
        row = self.one(
            "SELECT coalesce(sum(revision), 0) "
            "+ (SELECT count(*) FROM cdc_ops.generations WHERE topic = ANY(%s)) AS revision "
            "FROM cdc_ops.table_schemas WHERE pipeline = %s",
            (list(topics), pipeline),
        )
        return int(row["revision"]) if row else 0

    def record_schema(self, pipeline: str, schema: TableSchema) -> None:
        """Remember a table's schema, whose own revision does not count; the same once more keeps it."""
        self.rows(
            'INSERT INTO cdc_ops.table_schemas AS kept (pipeline, "table", built, declared, definition, '
            "generation, previous) VALUES (%s, %s, %s, %s, %s, %s, %s) "
            'ON CONFLICT (pipeline, "table") DO UPDATE '
            "SET built = excluded.built, declared = excluded.declared, definition = excluded.definition, "
            "generation = excluded.generation, previous = excluded.previous, "
            "revision = CASE WHEN kept.declared = excluded.declared "
            "AND kept.generation = excluded.generation "
            "AND kept.definition IS NOT DISTINCT FROM excluded.definition THEN kept.revision "
            "ELSE excluded.revision END, changed_at = now()",
            (
                pipeline,
                schema.table,
                Jsonb(asdict(schema.built)),
                schema.declared,
                None if schema.definition is None else Jsonb(dict(schema.definition)),
                schema.generation,
                None if schema.previous is None else Jsonb(dict(schema.previous)),
            ),
        )
