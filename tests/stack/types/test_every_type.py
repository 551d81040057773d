"""Every recorded value goes through the real writers: shown as the source has it, or set aside."""

from __future__ import annotations

import json

import pytest

from cdc.clients.clickhouse import connect_clickhouse
from cdc.services.capturable import entry, refusal
from cdc.services.catalogue import read_tables
from cdc.services.compare import compare_table
from cdc.spec import TableSpec
from tests.postgres_types.cases import CASES, DEEP
from tests.postgres_types.recording import Recorded, entries, recorded, spec, wide
from tests.stack.types.conftest import Lab

CARRIED = tuple(case.name for case in (*CASES, *DEEP))

UNTRUE = {("t_date", 16)}
"""Values at which the pipeline's connector stops, while the recording's sent NULL: here a 29th of February
before Christ in a snapshot."""

APART = {name for name, _ in UNTRUE} | {
    "t_numeric_12_2", "t_price", "t_date", "t_timestamp", "t_timestamptz", "t_moment", "t_stamp", "t_day",
    "t_array_date", "t_array_timestamp", "t_array_timestamptz", "t_array_bool_deep", "t_array_text_deep",
}  # fmt: skip
"""Cases with values that one sink does not hold, or of which the event is untrue."""
OTHER_TEXT = {"interval", "money", "inet"}
"""Types whose text is Debezium's, which PostgreSQL reads as the same value: it prints them by settings."""


def test_the_catalogue_says_what_the_recording_was_declared_with(filled: Lab) -> None:
    with filled.source() as source:
        found = {table.name: table for table in read_tables(source, ["kinds"])}
    for case in (*CASES, *DEEP):
        assert entry(found[case.name]) == entries()[case.name]
        assert refusal(found[case.name]) is None


def test_every_value_that_both_sinks_hold_is_the_source_s(filled: Lab) -> None:
    names = tuple(name for name in CARRIED if name not in APART)
    table, events, sql = wide(names, "all_types")
    assert _copied(filled, table, events, sql) == {}


def test_a_column_kept_as_text_holds_every_value(filled: Lab) -> None:
    names = tuple(name for name in CARRIED if name not in {known for known, _ in UNTRUE})
    table, events, sql = wide(names, "all_texts", **{"as": "text"})
    assert _copied(filled, table, events, sql) == {}


def test_a_deleted_row_is_gone_whatever_must_not_be_null_in_it(filled: Lab) -> None:
    table, events, _ = wide(CARRIED, "all_deleted", nullable=False)
    pipeline, gone = filled.pipeline([table]), events[0]
    filled.make(pipeline, table)
    before = {column.name: None for column in table.columns} | {"id": gone.id}
    value = {**json.loads(gone.value), "op": "d", "before": before, "after": None}
    deletion = Recorded("d", gone.id, gone.key, json.dumps(value).encode(), None)
    assert filled.write(pipeline, table, (deletion,)) == {sink.name: {} for sink in pipeline.sinks}
    with filled.warehouse() as warehouse:
        written = f'SELECT _is_deleted FROM cdc_raw."{table.name}"'
        assert warehouse.execute(written.encode()).fetchall() == [(True,)]
    client = connect_clickhouse(filled.connections.get("cdc_clickhouse"))
    assert client.query(f"SELECT _is_deleted FROM cdc_raw.`{table.name}`").result_rows == [(1,)]
    client.close()


def _copied(lab: Lab, table: TableSpec, events: tuple[Recorded, ...], sql: str) -> dict[str, dict[int, str]]:
    """Write events into both sinks; every row that was not set aside must be the source's."""
    with lab.source() as source:
        source.execute(f"SET search_path = kinds, public; {sql}".encode())
    pipeline = lab.pipeline([table])
    lab.make(pipeline, table)
    aside = lab.write(pipeline, table, events)
    report = compare_table(pipeline, lab.connections, table, limit=1000)
    assert "\n".join(d.sentence() for d in report.examples) == ""
    with lab.source() as source, lab.warehouse() as warehouse:
        same = [c.name for c in table.columns if not c.pg_type.as_text or c.pg_type.base not in OTHER_TEXT]
        listed = ", ".join(f'"{name}"::text' for name in same)
        relation = f'kinds."{table.table_name}"'
        wanted = source.execute(f"SELECT {listed} FROM {relation} ORDER BY id".encode()).fetchall()
        found = warehouse.execute(f'SELECT {listed} FROM "{table.name}" ORDER BY id'.encode()).fetchall()
        for row, copy in zip(wanted, found, strict=True):
            assert dict(zip(same, copy, strict=True)) == dict(zip(same, row, strict=True))
    return {sink: ids for sink, ids in aside.items() if ids}


@pytest.mark.parametrize("name", sorted(APART))
def test_a_value_is_shown_or_set_aside(filled: Lab, name: str) -> None:
    table = spec(name)
    pipeline = filled.pipeline([table])
    filled.make(pipeline, table)
    aside = filled.write(pipeline, table, recorded()[name])
    report = compare_table(pipeline, filled.connections, table, limit=1000)
    told = {(d.sink, d.key[0]) for d in report.examples}
    expected = {(sink, n) for sink, ids in aside.items() for n in ids}
    expected |= {(sink, n) for known, n in UNTRUE if known == name for sink in aside}
    assert told == expected, [d.sentence() for d in report.examples]
    with filled.source() as source, filled.warehouse() as warehouse:
        view = f'"kinds__{name}"'
        texts: dict[int, str] = dict(
            source.execute(f'SELECT id, v::text FROM kinds."{name}"'.encode()).fetchall()
        )
        copies: dict[int, str] = dict(
            warehouse.execute(f"SELECT id, v::text FROM {view}".encode()).fetchall()
        )
    left = {n for sink, n in expected if sink == "warehouse"}
    for known in (texts, copies):
        for n in left:
            known.pop(n, None)
    assert copies == texts
