"""Identifiers are data: whatever PostgreSQL takes as a name goes through DDL, writers and comparison."""

from __future__ import annotations

import json

import pytest

from cdc.model.toast import PLACEHOLDER as GONE
from cdc.services.capturable import entry
from cdc.services.catalogue import read_tables
from cdc.services.compare import compare_table
from cdc.services.discover import with_own_name
from cdc.spec import TableSpec
from tests.postgres_types.recording import Recorded, recorded
from tests.stack.types.conftest import Lab

NAMES = (
    "select", "user", "table", 'say "hi"', "it's", "back`tick", "back\\slash", "100%", "%s", "what?",
    "{brace}", "Mixed Case", "mixed case", "ID", "Id", "日本語", "dot.ted", "semi;colon", "-- comment", "$1",
    "n" * 63, "é" * 31, " leading", "tab\there", "new\nline",
)  # fmt: skip
TABLES = ("we \"ird` %s ?'", "Case", "case", "日本語の表", "t" * 63)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def event(number: int, values: dict[str, object], op: str = "c") -> Recorded:
    like = json.loads(recorded()["t_int4"][0].value)
    value = {**like, "op": op, "after": {"id": number, **values}}
    return Recorded(op, number, json.dumps({"id": number}).encode(), json.dumps(value).encode(), None)


@pytest.mark.parametrize("kind", ["text", "text[]"])
def test_unusual_column_names(lab: Lab, kind: str) -> None:
    name = "names" if kind == "text" else "names_of_arrays"
    columns = ", ".join(f"{quoted(column)} {kind}" for column in NAMES)
    value: object = "x" if kind == "text" else ["x", None]
    with lab.source() as source:
        source.execute(f"CREATE TABLE {name} (id integer PRIMARY KEY, {columns})".encode())
        placed = ", ".join(["%s"] * len(NAMES))
        source.execute(f"INSERT INTO {name} VALUES (1, {placed})".encode(), [value] * len(NAMES))
        source.execute(f"INSERT INTO {name} (id) VALUES (2)".encode())
        found = next(table for table in read_tables(source) if table.name == name)
    table = TableSpec.model_validate(entry(found))
    pipeline = lab.pipeline([table])
    lab.make(pipeline, table)
    sent = (event(1, dict.fromkeys(NAMES, value)), event(2, dict.fromkeys(NAMES)))
    assert lab.write(pipeline, table, sent) == {"clickhouse": {}, "warehouse": {}}
    report = compare_table(pipeline, lab.connections, table)
    assert [d.sentence() for d in report.examples] == []
    assert set(report.rows.values()) == {2}
    # What an event does not say is found under the same names: in the sink, and at the source.
    gone = GONE if kind == "text" else [GONE]
    with lab.source() as source:
        source.execute(
            f"INSERT INTO {name} SELECT 3, {', '.join(map(quoted, NAMES))} FROM {name} WHERE id = 1"
        )
    partial = tuple(event(number, dict.fromkeys(NAMES, gone), "u") for number in (1, 3))
    assert lab.write(pipeline, table, partial) == {"clickhouse": {}, "warehouse": {}}
    report = compare_table(pipeline, lab.connections, table)
    assert [d.sentence() for d in report.examples] == []
    assert set(report.rows.values()) == {3}


def test_unusual_table_names(lab: Lab) -> None:
    with lab.source() as source:
        for name in TABLES:
            source.execute(f"CREATE TABLE {quoted(name)} (id integer PRIMARY KEY, v text)".encode())
            escaped = quoted(name).replace("%", "%%")
            source.execute(f"INSERT INTO {escaped} VALUES (1, %s)".encode(), [name])
        found = {table.name: table for table in read_tables(source)}
    taken: set[str] = set()
    for name in TABLES:
        table = TableSpec.model_validate(with_own_name(entry(found[name]), found[name], taken))
        pipeline = lab.pipeline([table])
        lab.make(pipeline, table)
        lab.write(pipeline, table, (event(1, {"v": name}),))
        report = compare_table(pipeline, lab.connections, table)
        assert [d.sentence() for d in report.examples] == []
        assert set(report.rows.values()) == {1}
