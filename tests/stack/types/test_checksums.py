"""Checksums that each database computes for itself: equal values of every type have one, others another."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import pytest

from cdc.comparison.canonical import is_rendered_alike
from cdc.comparison.checksums import by_rows
from cdc.services.checksums import Checksums, Key
from cdc.spec import Pipeline, TableSpec
from tests.postgres_types.recording import spec, wide
from tests.stack.types.conftest import Lab
from tests.stack.types.test_every_type import APART, CARRIED, UNTRUE

BEYOND_TEXT = {"t_timestamp", "t_timestamptz"}
SINKS = ("clickhouse", "warehouse")


@dataclass
class Copied:
    """A table of which both sinks hold every row."""

    lab: Lab
    pipeline: Pipeline
    table: TableSpec

    def differing(self) -> dict[str, set[Key]]:
        checksums = Checksums(self.pipeline, self.lab.connections, self.table, self.pipeline.sinks)
        assert checksums.unsuited() == ""
        found: dict[str, set[Key]] = {sink: set() for sink in SINKS}
        for opened in checksums.open(checksums.scan()):
            for sink, keys in opened.items():
                found[sink] |= keys
        return found


def copied(lab: Lab, names: tuple[str, ...], name: str, **column: str) -> Copied:
    table, events, sql = wide(names, name, **column)
    with lab.source() as source:
        source.execute(f"SET search_path = kinds, public; {sql}".encode())
    pipeline = lab.pipeline([table])
    lab.make(pipeline, table)
    assert lab.write(pipeline, table, events) == {sink: {} for sink in SINKS}
    return Copied(lab, pipeline, table)


def alike(name: str, **column: str) -> bool:
    value = next(c for c in spec(name, **column).columns if c.name == "v")
    return is_rendered_alike(value.pg_type)


@pytest.fixture(scope="module")
def every_type(filled: Lab) -> Copied:
    names = tuple(name for name in CARRIED if name not in APART and alike(name))
    return copied(filled, names, "summed_types")


def test_equal_values_of_every_type_have_equal_sums(every_type: Copied) -> None:
    assert every_type.differing() == {sink: set() for sink in SINKS}


def test_columns_kept_as_text_have_equal_sums(filled: Lab) -> None:
    untrue = {known for known, _ in UNTRUE} | BEYOND_TEXT
    names = tuple(n for n in CARRIED if n not in untrue and alike(n, **{"as": "text"}))
    texts = copied(filled, names, "summed_texts", **{"as": "text"})
    assert texts.differing() == {sink: set() for sink in SINKS}


def test_another_value_of_any_column_has_another_sum(every_type: Copied) -> None:
    """Each column in turn gets NULL in one row that has a value: that row alone differs, in both sinks."""
    relation = f'kinds."{every_type.table.table_name}"'
    with every_type.lab.source() as source:
        for column in every_type.table.columns[1:]:
            with source.transaction() as transaction:
                row = source.execute(
                    f'SELECT id FROM {relation} WHERE "{column.name}" IS NOT NULL LIMIT 1'.encode()
                ).fetchone()
                assert row is not None
                _hash_is_another(source, every_type, column.name, row[0])
                raise psycopg.Rollback(transaction)


def _hash_is_another(source: psycopg.Connection, copy: Copied, column: str, key: int) -> None:
    from cdc.comparison.checksums import PostgresChecksums

    asked = PostgresChecksums(copy.table, (copy.table.schema_name, copy.table.table_name), derived=False)
    source.execute("SET LOCAL TimeZone = 'UTC'")
    before = {row[0]: row[1] for row in source.execute(asked.rows(16, range(16))).fetchall()}
    relation = f'kinds."{copy.table.table_name}"'
    source.execute(f'UPDATE {relation} SET "{column}" = NULL WHERE id = {key}'.encode())
    after = {row[0]: row[1] for row in source.execute(asked.rows(16, range(16))).fetchall()}
    assert [k for k in before if before[k] != after[k]] == [str(key)], column


@pytest.mark.parametrize("name", ["t_interval", "t_hstore", "t_array_hstore", "t_array_pair_full"])
def test_types_without_a_common_text_are_named(name: str) -> None:
    assert by_rows(spec(name)) == ("v",)
