"""The pipeline as it is in effect: its file, and what was made of its tables when the source changed."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from cdc.errors import ConfigurationError
from cdc.ops import OpsStore, TableSchema
from cdc.spec import Pipeline, TableSpec
from cdc.spec.definitions import fingerprint, redefined, with_tables


def effective_pipeline(pipeline: Pipeline, ops: OpsStore) -> Pipeline:
    """The pipeline with the definitions that are in effect.

    Raises:
        UnavailableError: the ops store does not answer.
        ConfigurationError: a table's entry and its definition do not fit together.
    """
    return with_schemas(pipeline, ops.table_schemas(pipeline.name))


def with_schemas(pipeline: Pipeline, schemas: Mapping[str, TableSchema]) -> Pipeline:
    """The same, from what the ops store has. Pure."""
    tables = {table.name: effective_table(table, schemas.get(table.name)) for table in pipeline.tables}
    changed = {name: table for name, table in tables.items() if table not in pipeline.tables}
    return with_tables(pipeline, changed)


def effective_table(table: TableSpec, schema: TableSchema | None) -> TableSpec:
    """The table that counts: the file's, once somebody has edited it, else the definition that was made.

    Raises:
        ConfigurationError: the table's entry and its definition do not fit together.
    """
    if schema is None or schema.definition is None or schema.declared != fingerprint(table):
        return table
    try:
        return redefined(table, schema.definition)
    except ValidationError as error:
        said = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise ConfigurationError(
            f"{table.source}: its entry in the pipeline file does not fit what was made of the table: "
            f"{said}. `cdc schema apply {table.name} --write` brings that into the pipeline file"
        ) from error
