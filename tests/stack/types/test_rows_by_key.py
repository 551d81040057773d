"""Rows are found by their keys on every side, whatever type the key has."""

from __future__ import annotations

from typing import cast

import pytest

from cdc.comparison.checksums import PostgresChecksums
from cdc.ops import OpsStore
from cdc.services.checksums import Checksums
from cdc.services.key_places import encoded
from cdc.services.reconcile import Reconciler
from cdc.services.rows_by_key import RowsByKey
from cdc.spec import TableSpec
from tests.postgres_types.recording import Recorded, recorded, spec
from tests.stack.types.conftest import Lab
from tests.stack.types.test_every_type import UNTRUE

KEYS = (
    "int2", "int4", "int8", "oid", "numeric_12_2", "numeric", "bool", "text", "varchar_5", "char_5", "citext",
    "name", "bytea", "date", "timestamp", "timestamptz", "time", "uuid", "mood", "inet", "bit_8", "macaddr",
    "money", "int4range",
)  # fmt: skip

WRITTEN = (
    "int2", "int4", "int8", "oid", "bool", "text", "varchar_5", "char_5", "name", "date",
    "timestamp", "timestamptz", "uuid", "mood", "inet", "macaddr", "int4range",
)  # fmt: skip
"""Those whose keys have a plain form."""


def keyed(name: str) -> tuple[TableSpec, tuple[Recorded, ...]]:
    """A table whose key is a case's column, and its inserts; `id` is an ordinary column."""
    like = spec(f"t_{name}")
    columns = [{**c.model_dump(by_alias=True), "nullable": False} for c in like.columns]
    table = TableSpec.model_validate({"source": f"kinds.key_{name}", "key": ["v"], "columns": columns})
    untrue = {number for known, number in UNTRUE if known == f"t_{name}"}
    inserts = (e for e in recorded()[f"t_{name}"] if e.op == "c" and e.sent is not None)
    # Two values that differ only in case are one key of type citext.
    events = {str(e.sent).lower(): e for e in inserts if e.id not in untrue}.values()
    return table, tuple(
        Recorded(e.op, e.id, f'{{"v":{e.written}}}'.encode(), e.value, e.text) for e in events
    )


@pytest.mark.parametrize("name", KEYS)
def test_a_key_of_every_type_finds_its_row(filled: Lab, name: str) -> None:
    table, events = keyed(name)
    pipeline = filled.pipeline([table])
    filled.make(pipeline, table)
    aside = {number for ids in filled.write(pipeline, table, events).values() for number in ids}
    ids = ", ".join(str(e.id) for e in events if e.id not in aside)
    with filled.warehouse() as warehouse:
        # What ClickHouse does not hold is left out everywhere.
        warehouse.execute(f'DELETE FROM cdc_raw."{table.name}" WHERE id NOT IN ({ids})'.encode())
    with filled.source() as source:
        source.execute(
            f"SET search_path = kinds, public; SET TimeZone = 'UTC'; CREATE TABLE kinds.key_{name} AS SELECT "
            f"id, v FROM kinds.t_{name} WHERE id IN ({ids}); ALTER TABLE kinds.key_{name} ADD PRIMARY KEY (v)"
            .encode()
        )  # fmt: skip
        asked = PostgresChecksums(table, ("kinds", f"key_{name}"), derived=False).rows(16, range(16))
        keys = [tuple(row[:-2]) for row in source.execute(asked).fetchall()]
    assert len(keys) == len(ids.split(", "))
    checksums = Checksums(pipeline, filled.connections, table, pipeline.sinks)
    assert checksums.scan().differing == {sink.name: set() for sink in pipeline.sinks}
    rows = RowsByKey(pipeline, filled.connections, table)
    found, lsn = rows.source(keys)
    assert found.keys() == set(keys)
    assert lsn > 0
    for sink in pipeline.sinks:
        stored = rows.stored(sink, keys)
        assert {key: item.row for key, item in stored.items()} == {
            key: item.row for key, item in found.items()
        }
        assert {item.partition for item in stored.values()} == {0}
    for sink in pipeline.sinks:
        version = rows.stored(sink, keys[:1])[keys[0]].version
        rows.delete(sink, {keys[0]: version + 1})
        assert keys[0] in rows.stored(sink, keys)
        rows.delete(sink, {keys[0]: version})
        assert rows.stored(sink, keys).keys() == set(keys[1:])
    found_again = list(checksums.open(checksums.scan()))
    assert found_again == [{sink.name: {keys[0]} for sink in pipeline.sinks}]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_key_is_made_as_debezium_wrote_it(filled: Lab, name: str) -> None:
    table, events = keyed(name)
    wanted = {event.key.decode() for event in events}
    with filled.source() as source:
        source.execute("SET TimeZone = 'UTC'")
        asked = PostgresChecksums(table, ("kinds", f"t_{name}"), derived=False).rows(16, range(16))
        texts = [row[0] for row in source.execute(asked).fetchall() if row[0] != "~"]
    made = [encoded((text,), table.key_columns) for text in texts]
    assert {key.decode() for key in made if key is not None} <= wanted
    assert any(key is not None for key in made)


def test_a_table_without_common_texts_is_compared_row_by_row(filled: Lab) -> None:
    table, events = spec("t_interval_ym"), tuple(e for e in recorded()["t_interval_ym"] if e.op == "r")
    pipeline = filled.pipeline([table])
    filled.make(pipeline, table)
    filled.write(pipeline, table, events)
    raw = f'cdc_raw."{table.name}"'
    with filled.source() as source, filled.warehouse() as warehouse:
        ids = ", ".join(str(e.id) for e in events)
        source.execute(f"DELETE FROM kinds.t_interval_ym WHERE id NOT IN ({ids})".encode())
        warehouse.execute(f"DELETE FROM {raw} WHERE id = 1".encode())
    reconciler = Reconciler(pipeline, filled.connections, cast("OpsStore", None))
    suspects = reconciler._suspects(table, pipeline.sinks)
    assert suspects.method == "rows: columns v have no text that all databases share"
    assert suspects.keys == {"warehouse": {("1",)}}
    assert not suspects.cut
