"""Records → rows: what each kind of event becomes, and what is refused with which words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from cdc.errors import GenerationError
from cdc.model.toast import PLACEHOLDER
from cdc.model.version import pack
from cdc.spec import TableSpec
from cdc_spark.transformations.kafka_parser import KafkaParser

ROW = {"id": 1, "name": "a", "price": "1.50", "labels": ["x", None]}
KEY = b'{"id": 1}'


def note(row):
    return json.loads(row["_note"])


def test_an_insert_becomes_a_typed_row_with_version_and_lineage(run, event):
    row, seen = run((KEY, event("c", ROW), 0, 5))
    assert (row["id"], row["name"], row["price"], row["labels"]) == (1, "a", Decimal("1.50"), ["x", None])
    assert row["_version"] == pack(1, 5)
    assert (row["_op"], row["_lsn"], row["_tx_id"], row["_partition"], row["_offset"]) == ("c", 500, 9, 0, 5)
    assert row["_source_ts"] == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
    assert note(seen) == {
        "events": 1,
        "tombstones": 0,
        "parked": 0,
        "superseded": 0,
        "until": {"0": 6},
    }


def test_the_generation_follows_from_the_coordinates(run, event):
    rows = run((KEY, event("u", ROW), 0, 99), (KEY, event("u", ROW), 0, 100), (KEY, event("u", ROW), 1, 100))
    assert [row["_version"] for row in rows[:3]] == [pack(1, 99), pack(2, 100), pack(1, 100)]


def test_coordinates_without_a_generation_stop_the_batch(run, event):
    with pytest.raises(GenerationError, match="cdc apply"):
        run((KEY, event("c", ROW), 7, 0))


def test_a_delete_has_its_key_alone_and_its_tombstone_is_only_counted(run, event):
    row, seen = run((KEY, event("d", None), 0, 5), (KEY, None, 0, 6))
    assert (row["id"], row["name"], row["price"], row["_op"]) == (1, None, None, "d")
    assert note(seen)["tombstones"] == 1
    assert note(seen)["until"] == {"0": 7}


def test_a_truncate_is_a_marker_with_its_lsn(run, event):
    truncate, _ = run((None, event("t", None, lsn=900), 0, 3))
    assert (truncate["_op"], truncate["_lsn"], truncate["_version"] >> 48) == ("t", 900, 1)


def test_messages_of_the_source_are_no_events(run, event):
    assert [row["_op"] for row in run((None, event("m", None), 0, 3))] == ["#"]


def test_rows_of_an_incremental_snapshot_take_the_second_lsn_of_the_sequence(run, event):
    row, _ = run((KEY, event("r", ROW, lsn=None, sequence='["10","777"]'), 0, 1))
    assert row["_lsn"] == 777


@pytest.mark.parametrize(
    ("key", "value", "error", "words"),
    [
        (KEY, b"\xff\xfe", "DataError", "expected JSON"),
        (KEY, b"[1]", "DataError", "Debezium envelope"),
        (None, ("c", ROW, {}), "DataError", "received no key"),
        (b"nonsense", ("c", ROW, {}), "DataError", "expected JSON with id"),
        (b'{"id": null}', ("d", None, {}), "DataError", "expected JSON with id"),
        (b'{"id": 2}', ("c", ROW, {}), "DataError", "beside a row with"),
        (KEY, ("x", ROW, {}), "DataError", "op 'x'"),
        (KEY, ("c", None, {}), "DataError", "after=None"),
        (KEY, ("c", ROW, {"lsn": None}), "DataError", "expected an LSN"),
        (KEY, ("c", ROW, {"lsn": 0}), "DataError", "expected an LSN"),
        (KEY, ("c", ROW, {"ts_us": None, "ts_ms": None}), "DataError", "source time"),
        (KEY, ("c", {**ROW, "new": 1}, {}), "SchemaChangedError", "the event has 'new'"),
        (KEY, ("c", {"id": 1, "name": "a", "price": None}, {}), "SchemaChangedError", "lacks 'labels'"),
        (KEY, ("c", {**ROW, "name": None}, {}), "SchemaChangedError", "'name': received NULL"),
        (KEY, ("c", {**ROW, "price": "1.505"}, {}), "SchemaChangedError", "'price'"),
        (KEY, ("c", {**ROW, "price": "NAN"}, {}), "DataError", "finite numbers"),
    ],
)
def test_what_cannot_be_written_is_told_and_the_others_go_on(run, event, key, value, error, words):
    raw = value if isinstance(value, bytes) else event(value[0], value[1], **value[2])
    good, bad, _ = run((KEY, event("c", ROW), 0, 1), (key, raw, 0, 2))
    assert good["_offset"] == 1
    assert (bad["_op"], bad["_offset"]) == ("!", 2)
    assert note(bad)["error"] == error
    assert words in note(bad)["message"]


@pytest.mark.parametrize("text", [f"what is {PLACEHOLDER}?", "__debezium_unavailable_value"])
def test_a_text_that_contains_the_placeholder_or_is_debeziums_default_is_a_users_own(run, event, text):
    assert run((KEY, event("u", {**ROW, "name": text}), 0, 1))[0]["name"] == text


def test_parked_events_wait_from_their_offset_on(run, event):
    records = [(KEY, event("u", ROW), partition, offset) for partition, offset in [(0, 4), (0, 5), (1, 0)]]
    rows = run(*records, parked={0: 5})
    assert [(row["_partition"], row["_offset"]) for row in rows[:-1]] == [(0, 4)]
    assert note(rows[-1])["parked"] == 2


class TestEventsFromAnotherTimeOfTheirTable:
    """Of a table whose column `labels` was dropped, and which got `points` and `city`."""

    @pytest.fixture
    def table(self):
        columns = [
            {"name": "id", "type": "bigint", "nullable": False},
            {"name": "name", "type": "text", "nullable": False},
            {"name": "price", "type": "numeric(12,2)"},
            {"name": "labels", "type": "text[]", "dropped": True},
            {"name": "points", "type": "integer", "added": True, "default": "7"},
            {"name": "city", "type": "text", "added": True},
        ]
        return TableSpec.model_validate(
            {"source": "public.things", "key": ["id"], "columns": columns, "exclude": ["came_and_went"]}
        )

    def test_each_has_the_values_that_it_says_and_stands_for(self, run, event):
        before = {**ROW, "came_and_went": 1}
        now = {"id": 1, "name": "a", "price": None, "points": 0, "city": "Oslo"}
        both = {**ROW, **now, "labels": ["y"]}
        rows = run(*((KEY, event("u", row), 0, at) for at, row in enumerate((before, now, both, before))))
        shown = [(row["labels"], row["points"], row["city"]) for row in rows[:4]]
        assert shown == [
            (["x", None], 7, None),
            (None, 0, "Oslo"),
            (["y"], 0, "Oslo"),
            (["x", None], 7, None),
        ]

    def test_what_nobody_knows_is_bad_and_named(self, run, event):
        bad, _ = run((KEY, event("u", {**ROW, "strange": 1, "odd": None}), 0, 5))
        assert note(bad)["unknown"] == ["strange", "odd"]
        assert "the event has 'strange', 'odd'" in note(bad)["message"]
        lacking = {name: value for name, value in ROW.items() if name != "name"}
        bad, _ = run((KEY, event("u", lacking), 0, 5))
        assert "the event lacks 'name'" in note(bad)["message"]


def test_events_of_a_replaced_table_are_skipped_and_counted(event, table):
    parser = KafkaParser(table, None, {0: 100})
    found = parser.parse([(KEY, event("c", {"other": 1}), 0, 99), (KEY, event("c", ROW), 0, 100)])
    assert (found.replaced, found.offsets, found.bad, found.until) == (1, [100], [], {0: 101})


def test_a_null_beside_deletes_is_told_of_and_they_are_not(run, event):
    """A delete has no value in that column either."""
    rows = run(
        (KEY, event("d", None), 0, 5),
        (KEY, event("c", {**ROW, "name": None}), 0, 6),
        (KEY, event("d", None), 0, 7),
        (KEY, event("u", ROW), 0, 8),
    )
    assert [(row["_op"], row["_offset"]) for row in rows[:-1]] == [("d", 5), ("d", 7), ("u", 8), ("!", 6)]
