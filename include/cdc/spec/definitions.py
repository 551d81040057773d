"""A table's definition apart from its pipeline file: what was made of it when the source changed. Pure.

The file stays what a person edits. While it says what it said when the source changed, the definition that
was made then counts; once somebody edits the table's columns, key or exclusions there, the file counts again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cdc.spec.pipeline import Pipeline
from cdc.spec.tables import TableSpec, may_be_event_time

Definition = Mapping[str, Any]
"""Key, columns, exclusions and what has vanished, as a pipeline file has them."""

_FIELDS = frozenset({"source", "key", "columns", "exclude", "vanished"})


def definition_of(table: TableSpec) -> dict[str, Any]:
    """The part of a table that changes of the source are about."""
    return table.model_dump(mode="json", by_alias=True, include=set(_FIELDS), exclude_defaults=True)


def fingerprint(table: TableSpec) -> str:
    """The same for two tables that are declared alike."""
    text = json.dumps(definition_of(table), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def redefined(table: TableSpec, definition: Definition) -> TableSpec:
    """The table with another definition; without its event time, when that is no time there any more.

    Raises:
        pydantic.ValidationError: the two do not fit together.
    """
    kept = table.model_dump(mode="json", by_alias=True, exclude=set(_FIELDS))
    document = {"source": table.source, **kept, **definition}
    made = TableSpec.model_validate({**document, "event_time": None})
    fits = any(c.name == table.event_time and may_be_event_time(c) for c in made.columns)
    return TableSpec.model_validate(document) if fits else made


def differing(one: Definition, other: Definition) -> list[str]:
    """Columns, `key` and `exclude`, as far as two definitions say otherwise of them."""
    columns = [{c["name"]: c for c in definition["columns"]} for definition in (one, other)]
    names = [name for name in {**columns[0], **columns[1]} if columns[0].get(name) != columns[1].get(name)]
    if one.get("key") != other.get("key"):
        names.append("key")
    if set(one.get("exclude", ())) != set(other.get("exclude", ())):
        names.append("exclude")
    return names


def with_tables(pipeline: Pipeline, tables: Mapping[str, TableSpec]) -> Pipeline:
    """The pipeline with other tables of these names."""
    if not tables:
        return pipeline
    # A copy would keep what the pipeline had worked out of its old tables.
    document = pipeline.model_dump(by_alias=True)
    document["tables"] = [tables.get(table.name, table) for table in pipeline.tables]
    return Pipeline.model_validate(document)
