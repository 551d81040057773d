"""Values that have two meanings in an event: the source says which, and nothing untrue is written."""

from __future__ import annotations

import json
from datetime import date

import pyarrow as pa
import pytest

from cdc.errors import SchemaChangedError
from cdc.model.version import pack
from cdc.spec import TableSpec
from cdc_spark.transformations.cdc_transformer import TableContext
from cdc_spark.transformations.doubts import doubts_of
from cdc_spark.transformations.limits import CLICKHOUSE, POSTGRES, Limits
from cdc_spark.transformations.parse import bad_events
from tests.unit.cdc_spark.conftest import GENERATIONS, World

TYPES = {
    "day": "date",
    "days": "date[]",
    "span": "interval",
    "at": "timestamp",
    "flags": "boolean[]",
    "area": "polygon",
}
NONE: dict[str, object] = dict.fromkeys(TYPES)
ZERO = "P0Y0M0DT0H0M0S"
ENDLESS = 2**63 - 1


@pytest.fixture
def table() -> TableSpec:
    columns = [{"name": "id", "type": "bigint", "nullable": False}]
    columns += [{"name": name, "type": kind} for name, kind in TYPES.items()]
    return TableSpec.model_validate({"source": "public.things", "key": ["id"], "columns": columns})


@pytest.fixture
def send(run, event):
    """Rows of one op at rising offsets → what leaves the parsing stage: rows and bad events."""

    def send(op: str, *rows: dict[str, object], limits: Limits = POSTGRES):
        records = [
            (json.dumps({"id": n}).encode(), event(op, {"id": n, **NONE, **row}), 0, n)
            for n, row in enumerate(rows, 1)
        ]
        out = run(*records, limits=limits)
        bad = [json.loads(row["_note"]) | {"offset": row["_offset"]} for row in out if row["_op"] == "!"]
        return [row for row in out if row["_op"] in "crud"], bad

    return send


def test_a_snapshots_date_is_read_at_the_source_when_it_is_another_there(send, world):
    world.untrue_keys = frozenset({2})
    world.source_rows = {2: (2, -141432, *[None] * 5)}
    rows, bad = send("r", {"day": 20512}, {"day": -718798}, {"day": 2932896}, {"day": None})
    assert [row["day"] for row in rows if row["id"] != 2] == [date(2026, 2, 28), date(9999, 12, 31), None]
    assert rows[1]["_version"] == pack(1, 49, repair=True)
    assert bad == []
    # 9999 is beyond what a date before Christ can become.
    assert world.asked == [("untrue day", [1, 2]), ("source", [2])]


def test_a_streams_date_is_true(send, world):
    rows, _ = send("c", {"day": 20512})
    assert len(rows) == 1
    assert world.asked == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("span", ZERO),
        ("days", [20512, None]),
        ("flags", [None, None]),
        ("at", ENDLESS),
        ("at", -(2**63) + 999_998),
        ("area", {"wkb": "AQMAAAABAAAAAQAAAAAAAAAAAPA/AAAAAAAAAEA=", "extensions": {"type": "polygon"}}),
    ],
)
def test_an_event_that_may_say_another_value_asks_the_source(send, world, column, value):
    world.untrue_keys = frozenset({1})
    world.source_rows = {1: (1, *[None] * 6)}
    rows, bad = send("u", {column: value}, NONE)
    assert (len(rows), bad) == (2, [])
    assert world.asked == [(f"untrue {column}", [1]), ("source", [1])]


@pytest.mark.parametrize(
    ("column", "value", "read"),
    [("span", ZERO, ZERO), ("flags", [None, None], [None, None]), ("days", [0], [date(1970, 1, 1)])],
)
def test_an_event_that_is_true_keeps_its_values(send, world, column, value, read):
    rows, bad = send("u", {column: value})
    assert bad == []
    assert rows[0][column] == read
    assert rows[0]["_version"] == pack(1, 1)
    assert [what for what, _ in world.asked] == [f"untrue {column}"]


def test_usual_values_ask_nothing(send, world):
    row = {"span": "P0Y0M1DT0H0M0S", "at": 0, "flags": [True, None], "days": []}
    assert len(send("u", row, NONE)[0]) == 2
    assert world.asked == []


def test_a_value_that_the_sink_does_not_hold_is_told_once(send, world, context, table):
    row = {"flags": [None], "span": "no interval"}
    _, bad = send("u", row)
    assert [(event["error"], event["late"]) for event in bad] == [("SchemaChangedError", True)]
    # Where only coordinates are known, what was doubted is not judged again.
    _, bad = send("u", {"span": ZERO, "at": 2**62}, limits=CLICKHOUSE)
    assert [(event["error"], event["late"]) for event in bad] == [("DataError", True)]


def test_a_source_without_the_column_makes_late_dead_letters(send, world):
    world.failure = SchemaChangedError("no such column")
    _, bad = send("u", {"span": ZERO})
    assert [(event["error"], event["late"]) for event in bad] == [("SchemaChangedError", True)]


def test_clickhouse_holds_no_far_moment_whichever_it_is(table):
    names = [column.name for column in table.columns]
    assert [names[at] for at in doubts_of(table, CLICKHOUSE)] == ["day", "days", "span", "flags", "area"]
    assert [names[at] for at in doubts_of(table, POSTGRES)] == names[1:]


def test_doubted_events_are_not_bad_by_themselves(table, event):
    context = TableContext(table, "t", GENERATIONS, POSTGRES, World(table))
    values = [
        event("u", {"id": 1, **NONE, "at": -(2**63) + 999_998}),
        event("u", {"id": 1, **NONE, "at": "x"}),
    ]
    batch = pa.RecordBatch.from_pydict(
        {
            "key": [b'{"id": 1}'] * 2,
            "value": values,
            "partition": pa.array([0, 0], pa.int32()),
            "offset": pa.array([1, 2], pa.int64()),
        }
    )
    assert [found.offset for found in bad_events(batch, context)] == [2]
