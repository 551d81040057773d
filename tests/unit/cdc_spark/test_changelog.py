"""Records of a changelog → rows that came and rows that went."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from pydantic import ValidationError

from cdc.ddl.columns import sink_columns
from cdc.model.snapshot_events import SnapshotPoint, begin_event, row_event
from cdc.model.toast import PLACEHOLDER
from cdc.model.version import pack
from cdc.spec import TableSpec
from cdc_spark.transformations.changelog import ChangelogParser
from cdc_spark.transformations.doubts import doubts_of, undecided
from cdc_spark.transformations.limits import POSTGRES
from cdc_spark.writers.columns import for_clickhouse, for_warehouse

COLUMNS = [
    {"name": "id", "type": "bigint", "nullable": False},
    {"name": "name", "type": "text", "nullable": False},
    {"name": "price", "type": "numeric(12,2)"},
    {"name": "labels", "type": "text[]"},
]
ROW = {"id": 1, "name": "a", "price": "1.50", "labels": ["x", None]}
OLD = {"id": 1, "name": "before", "price": None, "labels": None}


@pytest.fixture
def table() -> TableSpec:
    return TableSpec.model_validate({"source": "public.things", "mode": "changelog", "columns": COLUMNS})


@pytest.fixture
def change(event):
    """Build an envelope with the rows before and after a change."""

    def build(op, before, after, **source):
        return json.dumps({**json.loads(event(op, after, **source)), "before": before}).encode()

    return build


def told(rows):
    return [(row["_op"], row["name"], row["_offset"]) for row in rows if row["_op"] != "#"]


def test_each_event_is_the_rows_that_went_and_came(run, change):
    rows = run(
        (None, change("c", None, ROW), 0, 5),
        (None, change("u", OLD, ROW), 0, 6),
        (None, change("d", OLD, None), 0, 7),
        (None, None, 0, 8),
    )
    assert told(rows) == [("c", "a", 5), ("b", "before", 6), ("u", "a", 6), ("d", "before", 7)]
    assert rows[1]["_version"] == rows[2]["_version"] == pack(1, 6)
    assert (rows[3]["price"], rows[0]["price"]) == (None, Decimal("1.50"))
    seen = json.loads(rows[-1]["_note"])
    assert (seen["events"], seen["tombstones"], seen["until"]) == (4, 1, {"0": 9})


def test_rows_of_both_halves_count_and_have_a_place_of_their_own(run, change, table):
    rows = run(
        (None, change("c", None, ROW), 0, 5),
        (None, change("u", OLD, ROW), 0, 6),
        (None, change("d", OLD, None), 0, 7),
        (None, change("t", None, None), 0, 8),
    )
    kept = pa.Table.from_pylist([row for row in rows if row["_op"] not in "t#"])
    for made in (for_clickhouse(kept, sink_columns(table)), for_warehouse(kept, sink_columns(table))):
        assert [int(n) for n in made["_diff"].to_pylist()] == [1, -1, 1, -1, 0]
        places = list(zip(*(made[name].to_pylist() for name in table.identity), strict=True))
        assert len(set(places)) == 5


def test_a_key_is_not_looked_at(run, change):
    rows = run((b'{"code": 9}', change("c", None, ROW), 0, 5), (b"no json", change("u", OLD, ROW), 0, 6))
    assert told(rows) == [("c", "a", 5), ("b", "before", 6), ("u", "a", 6)]


def test_a_truncate_is_a_row_and_a_floor(run, change):
    row, floor, _ = run((None, change("t", None, None, lsn=900), 0, 5))
    assert (row["_op"], row["name"], row["_offset"]) == ("e", None, 5)
    assert (floor["_op"], floor["_lsn"]) == ("t", 900)


def test_a_snapshot_begins_with_a_floor_and_has_values_in_postgresql_s_text(run):
    point = SnapshotPoint("public", "things", 700, 1_700_000_000_123_456)
    texts = {"id": "1", "name": "a", "price": "1.50", "labels": '{x,NULL,"a b"}'}
    made, row, floor, _ = run(
        (None, json.dumps(begin_event(point)).encode(), 0, 5),
        (None, json.dumps(row_event(point, texts)).encode(), 0, 6),
    )
    assert (made["_op"], made["name"]) == ("s", None)
    assert (row["_op"], row["price"], row["labels"], row["_lsn"]) == (
        "r",
        Decimal("1.50"),
        ["x", None, "a b"],
        700,
    )
    assert (floor["_op"], floor["_lsn"]) == ("t", 700)


def test_a_snapshot_from_before_a_column_was_added_has_its_default(run, context, table):
    added = [
        {"name": "n", "type": "integer", "added": True, "default": "7"},
        {"name": "day", "type": "date", "added": True, "default": "2026-01-02"},
        {"name": "raw", "type": "bytea", "added": True},
    ]
    wider = TableSpec.model_validate(
        {"source": "public.things", "mode": "changelog", "columns": [*COLUMNS, *added]}
    )
    texts = {"id": "1", "name": "a", "price": "1.50", "labels": "{}"}
    point = SnapshotPoint("public", "things", 700, 1_700_000_000_123_456)
    row, _ = run((None, json.dumps(row_event(point, texts)).encode(), 0, 6), table=wider)
    assert (row["_op"], row["n"], row["day"], row["raw"]) == ("r", 7, date(2026, 1, 2), None)


def test_debezium_s_own_snapshot_is_passed_over(run, change):
    rows = run((None, change("r", None, ROW, snapshot="true"), 0, 5))
    assert told(rows) == []
    assert json.loads(rows[0]["_note"])["events"] == 1


@pytest.mark.parametrize("op", ["u", "d"])
def test_a_change_without_the_row_before_it_says_what_to_do(run, change, op):
    bad, _ = run((None, change(op, None, ROW if op == "u" else None), 0, 5))
    note = json.loads(bad["_note"])
    assert note["error"] == "DataError"
    assert (
        "REPLICA IDENTITY FULL. Set it again, then run `cdc table snapshot public.things`" in note["message"]
    )


def test_a_dead_letter_from_before_the_rows_were_read_anew_is_settled(run, change):
    rows = run(
        (None, change("d", None, None, lsn=899), 0, 5),
        (None, change("d", OLD, None, lsn=900), 0, 6),
        void_below=900,
    )
    assert told(rows) == [("d", "before", 6)]


@pytest.mark.parametrize("half", ["before", "after"])
def test_a_placeholder_is_never_written(run, change, half):
    lacking = {**ROW, "name": PLACEHOLDER}
    value = change("u", lacking, ROW) if half == "before" else change("u", ROW, lacking)
    bad, _ = run((None, value, 0, 5))
    assert f"row {half}" in json.loads(bad["_note"])["message"]


def test_an_event_with_one_wrong_row_is_left_out_as_a_whole(run, change):
    wrong = {**ROW, "price": "12345678901234.00"}
    rows = run(
        (None, change("u", wrong, ROW), 0, 5),
        (None, change("u", ROW, wrong), 0, 6),
        (None, change("u", wrong, wrong), 0, 7),
        (None, change("u", OLD, ROW), 0, 8),
    )
    assert told(rows) == [
        ("b", "before", 8), ("u", "a", 8), ("!", None, 5), ("!", None, 6), ("!", None, 7),
    ]  # fmt: skip


def test_a_deleted_row_without_a_declared_value_is_a_change_of_the_schema(run, change):
    bad, _ = run((None, change("d", {**ROW, "name": None}, None), 0, 5))
    assert json.loads(bad["_note"])["error"] == "SchemaChangedError"


def test_a_value_with_two_meanings_is_set_aside_since_nobody_can_be_asked(change):
    columns = [{"name": "id", "type": "bigint"}, {"name": "span", "type": "interval"}]
    spans = TableSpec.model_validate({"source": "public.spans", "mode": "changelog", "columns": columns})
    zero, hour = {"id": 1, "span": "P0Y0M0DT0H0M0S"}, {"id": 1, "span": "P0Y0M0DT1H0M0S"}
    records = [(None, change("c", None, zero), 0, 1), (None, change("u", hour, hour), 0, 2)]
    found = undecided(ChangelogParser(spans).parse(records), doubts_of(spans, POSTGRES))
    assert [(event, error) for event, (error, _) in found.items()] == [(0, "DataError")]
    assert "no key to ask the source by" in found[0][1]


def test_columns_that_are_read_at_the_source_by_key_are_refused():
    columns = [{"name": "id", "type": "bigint"}, {"name": "at", "type": "timetz"}]
    with pytest.raises(ValidationError, match="columns at are read at the source"):
        TableSpec.model_validate({"source": "public.times", "mode": "changelog", "columns": columns})
