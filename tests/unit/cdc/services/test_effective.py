"""The definition in effect is the remembered one, for as long as nobody has edited the file's."""

from __future__ import annotations

import pytest

from cdc.errors import ConfigurationError
from cdc.model.source_table import BuiltFrom
from cdc.ops import TableSchema
from cdc.services.effective import effective_table, with_schemas
from cdc.spec import Pipeline, TableSpec
from cdc.spec.definitions import definition_of, fingerprint, redefined

BUILT = BuiltFrom(1, ("id",), {}, 1)


def grown(table: TableSpec, name: str = "city") -> TableSpec:
    definition = definition_of(table)
    columns = [*definition["columns"], {"name": name, "type": "text", "added": True}]
    return redefined(table, {**definition, "columns": columns})


def schema(table: TableSpec, now: TableSpec) -> TableSchema:
    return TableSchema(table.name, BUILT, fingerprint(table), definition_of(now))


def test_what_was_made_of_a_table_counts_until_its_entry_is_edited(pipeline: Pipeline) -> None:
    table = pipeline.table("customers")
    kept = schema(table, grown(table))
    assert effective_table(table, kept) == grown(table)
    edited = redefined(table, {**definition_of(table), "exclude": ["secret"]})
    assert effective_table(edited, kept) == edited
    # What a change of the source is not about may be edited at any time.
    moved = table.model_copy(update={"stream": "other", "event_time": "created_at"})
    found = effective_table(moved, kept)
    assert (found.columns, found.stream, found.event_time) == (grown(table).columns, "other", "created_at")


def test_the_pipeline_in_effect_restarts_no_driver(pipeline: Pipeline) -> None:
    table = pipeline.table("customers")
    found = with_schemas(pipeline, {table.name: schema(table, grown(table))})
    assert found.table("customers") == grown(table)
    assert found.streams[0].tables == (grown(table),)
    assert found.tables[1:] == pipeline.tables[1:]
    assert with_schemas(pipeline, {}) is pipeline


def test_an_entry_that_does_not_fit_what_was_made_of_it_is_told(pipeline: Pipeline) -> None:
    table = pipeline.table("customers")
    clash = grown(table, "email_normalized_")
    document = {**definition_of(clash)}
    document["columns"] = [*document["columns"][:-1], {"name": "email_normalized", "type": "text"}]
    kept = TableSchema(table.name, BUILT, fingerprint(table), document)
    with pytest.raises(ConfigurationError, match="declared twice: email_normalized"):
        effective_table(table, kept)
