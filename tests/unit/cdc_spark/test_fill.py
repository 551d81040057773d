"""Partial events → whole rows; where their values come from, and that nothing is guessed."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from cdc.errors import SchemaChangedError
from cdc.model.floors import NO_FLOOR, Floor
from cdc.model.toast import PLACEHOLDER as GONE
from cdc.model.version import pack
from cdc.spec import ColumnSpec, TableSpec
from cdc_spark.transformations import memory
from cdc_spark.transformations.cdc_transformer import Trust
from cdc_spark.transformations.limits import POSTGRES

ROW = {"id": 1, "name": "a", "price": "1.50", "labels": ["x", None]}
STORED = (1, "stored", Decimal("9.00"), ["s"], pack(1, 2), 100, False)
SOURCE = (1, "source", "7.00", ["now"])


def key(number):
    return json.dumps({"id": number}).encode()


@pytest.fixture
def changes(event):
    """Records from (op, row, offset[, partition, lsn, old key])."""

    def build(op, row, offset, *, partition=0, lsn=None, old=None, number=1):
        raw = event(op, None if op == "d" else {**ROW, "id": number, **row}, lsn=lsn or 1000 + offset)
        return (key(number), raw, partition, offset, None if old is None else key(old))

    return build


def split(rows):
    data = [row for row in rows if row["_op"] in "cru"]
    bad = [json.loads(row["_note"]) | {"offset": row["_offset"]} for row in rows if row["_op"] == "!"]
    return data, bad, json.loads(rows[-1]["_note"])


@pytest.mark.parametrize("each", [1, 2, 100])
def test_repeated_partial_updates_keep_the_value_of_the_insert(run, changes, world, each):
    rows, bad, seen = split(
        run(
            changes("c", {"name": "long"}, 1),
            changes("u", {"name": GONE, "price": "2"}, 2),
            changes("u", {"labels": [GONE], "name": "longer"}, 3),
            changes("u", {"name": GONE, "labels": [GONE], "price": None}, 4),
            each=each,
        )
    )
    assert [(r["name"], r["labels"], r["price"]) for r in rows] == [
        ("long", ["x", None], Decimal("1.50")),
        ("long", ["x", None], Decimal("2.00")),
        ("longer", ["x", None], Decimal("1.50")),
        ("longer", ["x", None], None),
    ]
    assert bad == []
    assert world.asked == []
    assert seen["superseded"] == 0


def test_a_row_that_cannot_be_looked_up_by_its_key_is_told(run, table, changes, world):
    first, *others = table.columns
    number = ColumnSpec.model_validate({"name": first.name, "type": "numeric(8,2)", "nullable": False})
    exact = table.model_copy(update={"columns": (number, *others)})
    exact = TableSpec.model_validate(exact.model_dump(by_alias=True))
    record = changes("u", {"id": "NAN", "name": GONE}, 5)
    data, bad, _ = split(run((b'{"id": "NAN"}', *record[1:]), table=exact, limits=POSTGRES))
    assert data == []
    assert [(event["error"], event["offset"]) for event in bad] == [("DataError", 5)]
    assert "cannot be looked up" in bad[0]["message"]


def test_the_sinks_row_fills_what_no_record_says(run, changes, world):
    world.sink = {1: STORED}
    rows, _, _ = split(
        run(changes("u", {"name": GONE}, 5), changes("u", {"labels": [GONE], "name": GONE}, 6))
    )
    assert [(r["name"], r["labels"]) for r in rows] == [("stored", ["x", None]), ("stored", ["x", None])]
    assert [r["_version"] for r in rows] == [pack(1, 5), pack(1, 6)]
    assert world.asked == [("sink", [1])]


def test_a_row_of_before_a_gap_of_the_capture_fills_nothing(run, changes, world):
    world.sink = {1: STORED}
    world.source_rows = {1: SOURCE}
    event = changes("u", {"name": GONE}, 5)
    for trusted_from, name in ((100, "stored"), (101, "source")):
        rows, bad, _ = split(run(event, trusted_from=trusted_from))
        assert ([row["name"] for row in rows], bad) == ([name], [])
    world.asked.clear()
    rows, bad, _ = split(run(changes("c", {"name": "old"}, 4), event, trusted_from=1005))
    assert ([row["name"] for row in rows], bad) == (["old", "source"], [])


def test_a_replay_takes_the_events_own_row_and_skips_what_is_superseded(run, changes, world):
    world.sink = {1: (*STORED[:4], pack(1, 6), 100, False)}
    rows, _, seen = split(run(changes("u", {"name": GONE}, 5), changes("u", {"name": GONE}, 6)))
    assert [(r["name"], r["_offset"]) for r in rows] == [("stored", 6)]
    assert seen["superseded"] == 1


def test_a_row_that_no_sink_has_is_read_at_the_source_as_a_repair_row(run, changes, world):
    world.source_rows = {1: SOURCE}
    rows, _, seen = split(run(changes("u", {"name": GONE}, 5), changes("u", {"name": GONE}, 6)))
    assert [(r["name"], r["price"], r["labels"]) for r in rows] == [("source", Decimal("7.00"), ["now"])]
    assert (rows[0]["_version"], rows[0]["_lsn"]) == (pack(1, 49, repair=True), 9000)
    assert seen["superseded"] == 1
    assert world.asked == [("sink", [1]), ("source", [1])]


@pytest.fixture
def unsent(table):
    """The table, its labels read at the source."""
    columns = (*table.columns[:3], table.columns[3].model_copy(update={"from_": "source"}))
    return table.model_copy(update={"columns": columns})


def sent(changes, op, row, offset, **more):
    """A record without the column that no event has."""
    key, raw, *rest = changes(op, row, offset, **more)
    envelope = json.loads(raw)
    if envelope["after"] is not None:
        del envelope["after"]["labels"]
    return (key, json.dumps(envelope).encode(), *rest)


@pytest.mark.parametrize("each", [1, 100])
def test_a_value_that_no_event_has_is_read_at_the_source_once(run, changes, world, unsent, each):
    world.source_rows = {1: SOURCE, 2: (2, "two", None, None)}
    records = [
        sent(changes, "r", {"name": "old"}, 1),
        sent(changes, "u", {"name": GONE}, 2),
        sent(changes, "c", {}, 3, number=2),
        sent(changes, "d", None, 4, number=2),
    ]
    rows, bad, seen = split(run(*records, table=unsent, each=each))
    assert [(r["id"], r["name"], r["labels"]) for r in rows if r["_op"] != "d"] == [
        (1, "source", ["now"]),
        (2, "two", None),
    ]
    assert rows[0]["_version"] == pack(1, 49, repair=True)
    assert (bad, seen["superseded"]) == ([], 1)
    # The sink is not asked: it may have another value of the row than the source now.
    assert {what for what, _ in world.asked} == {"source"}


def test_an_event_that_was_sent_before_the_column_was_left_out_is_read_too(run, changes, world, unsent):
    world.source_rows = {1: SOURCE}
    assert split(run(changes("c", {}, 1), table=unsent))[0][0]["labels"] == ["now"]


def test_a_column_that_nobody_declared_is_still_told(run, changes, unsent):
    key, raw, *rest = sent(changes, "c", {}, 1)
    envelope = json.loads(raw)
    envelope["after"]["new"] = 1
    _, bad, _ = split(run((key, json.dumps(envelope).encode(), *rest), table=unsent))
    assert "the event has 'new'" in bad[0]["message"]
    assert "lacks" not in bad[0]["message"]


@pytest.mark.parametrize(("price", "note"), [("NAN", {"price": "NaN"}), ("7.00", {})])
def test_what_travels_as_text_comes_from_the_source_with_its_row(run, changes, world, price, note):
    assert split(run(changes("c", {"price": "NAN"}, 1), limits=POSTGRES))[0][0]["_note"] == '{"price":"NaN"}'
    world.source_rows = {1: (1, "source", price, None)}
    rows, bad, _ = split(run(changes("u", {"name": GONE, "price": "NAN"}, 5), limits=POSTGRES))
    assert bad == []
    assert [json.loads(row["_note"] or "{}") for row in rows] == [note]


def test_a_row_that_is_gone_at_the_source_waits_for_its_delete(run, changes, world):
    rows, bad, seen = split(run(changes("u", {"name": GONE}, 5), changes("d", {}, 6)))
    assert (rows, bad, seen["superseded"]) == ([], [], 1)


@pytest.mark.parametrize("case", ["tombstone", "truncated", "letter"])
def test_a_sinks_row_that_is_not_the_state_before_is_not_used(run, changes, world, case):
    world.sink = {1: (*STORED[:6], case == "tombstone")}
    world.floor = Floor(1, 101) if case == "truncated" else NO_FLOOR
    world.letters = frozenset({key(1)} if case == "letter" else ())
    world.source_rows = {1: SOURCE}
    rows, _, _ = split(run(changes("u", {"name": GONE}, 5)))
    assert [r["name"] for r in rows] == ["source"]


@pytest.mark.parametrize("each", [1, 100])
def test_after_a_bad_event_in_the_same_task_only_the_source_knows(run, changes, world, each):
    world.source_rows = {1: SOURCE}
    rows, bad, _ = split(
        run(
            changes("c", {}, 1),
            changes("u", {"name": "set", "price": "no number"}, 2),
            changes("u", {"name": GONE}, 3),
            (key(1), b"no JSON", 0, 4),
            changes("u", {"name": GONE}, 5),
            each=each,
        )
    )
    assert [r["name"] for r in rows] == ["a", "source"]
    assert sorted(event["offset"] for event in bad) == [2, 4]


def test_a_moved_row_keeps_the_values_of_the_old_key(run, changes, world):
    rows, _, _ = split(
        run(
            changes("c", {"name": "long"}, 1),
            changes("u", {"name": GONE, "price": "3"}, 2),
            changes("d", {}, 3, lsn=2000),
            changes("c", {"name": GONE}, 9, lsn=2000, number=2, old=1, partition=1),
            changes("u", {"name": GONE}, 10, lsn=2001, number=2, partition=1),
        )
    )
    assert [(r["id"], r["name"]) for r in rows[2:]] == [(2, "long"), (2, "long")]
    assert world.asked == []


def test_a_row_moved_and_moved_back_in_one_task_keeps_its_values(run, changes, world):
    rows, _, _ = split(
        run(
            changes("c", {"name": "long"}, 1),
            changes("d", {}, 2, lsn=2000),
            changes("c", {"name": GONE}, 3, lsn=2000, number=2, old=1),
            changes("d", {}, 4, lsn=2001, number=2),
            changes("c", {"name": GONE}, 5, lsn=2001, old=2),
        )
    )
    assert [(r["id"], r["name"]) for r in rows] == [(1, "long"), (2, "long"), (1, "long")]


def test_a_moved_row_takes_the_sinks_row_of_the_old_key_when_its_delete_was_read(run, changes, world):
    world.sink = {1: STORED}
    world.source_rows = {2: (2, *SOURCE[1:])}
    delete = changes("d", {}, 3, lsn=2000)
    moved = changes("c", {"name": GONE}, 9, lsn=2000, number=2, old=1, partition=1)
    assert [r["name"] for r in split(run(delete, moved))[0]] == ["stored"]
    # Without the delete the old key's partition may hold changes that nobody has read yet.
    assert [r["name"] for r in split(run(moved))[0]] == ["source"]
    assert [r["name"] for r in split(run(delete, moved[:4]))[0]] == ["source"]
    world.letters = frozenset({key(1)})
    assert [r["name"] for r in split(run(delete, moved))[0]] == ["source"]


@pytest.mark.parametrize("each", [1, 100])
def test_a_row_that_moves_on_after_the_source_was_asked_for_it_takes_no_older_value(
    run, changes, world, each
):
    """Key 1 is deleted, comes back from key 3, whose delete nobody has read yet, and goes on to key 2."""
    world.sink = {1: STORED}
    world.source_rows = {1: (1, "moved", None, None), 2: (2, "moved", None, None)}
    rows, _, seen = split(
        run(
            changes("d", {}, 3),
            changes("c", {"name": GONE}, 4, lsn=2000, old=3),
            changes("u", {"name": GONE, "price": "3"}, 5, lsn=2001),
            changes("d", {}, 6, lsn=2002),
            changes("c", {"name": GONE}, 7, lsn=2002, number=2, old=1),
            each=each,
        )
    )
    assert [(r["id"], r["name"]) for r in rows if r["_op"] != "d"] == [(1, "moved"), (2, "moved")]
    assert seen["superseded"] == 1


def test_a_source_row_that_the_sink_cannot_hold_is_a_late_dead_letter(run, changes, world):
    world.source_rows = {1: (1, "source", "NAN", None)}
    rows, bad, _ = split(run(changes("u", {"name": GONE}, 5), changes("u", {"name": GONE}, 6)))
    assert rows == []
    assert [(event["error"], event["late"]) for event in bad] == [("DataError", True)] * 2
    assert "at the source: column 'price'" in bad[0]["message"]


def test_a_source_without_the_table_makes_late_dead_letters(run, changes, world):
    world.failure = SchemaChangedError("no such column")
    _, bad, _ = split(run(changes("u", {"name": GONE}, 5)))
    assert [(event["error"], event["late"]) for event in bad] == [("SchemaChangedError", True)]


def test_values_beyond_the_memory_are_read_at_the_source(run, changes, world, monkeypatch):
    monkeypatch.setattr(memory, "VALUE_BYTES", 1)
    world.source_rows = {1: SOURCE}
    rows, _, _ = split(
        run(changes("c", {}, 1), changes("c", {}, 2, number=2), changes("u", {"name": GONE}, 3), each=1)
    )
    assert [r["name"] for r in rows] == ["a", "a", "source"]


def test_once_records_are_forgotten_the_sinks_row_proves_nothing(run, changes, world, monkeypatch):
    monkeypatch.setattr(memory, "MAX_KEYS", 1)
    world.sink, world.source_rows = {1: STORED}, {1: SOURCE}
    first = changes("u", {"name": GONE}, 5)
    assert split(run(first))[0][0]["name"] == "stored"
    others = [changes("c", {}, offset, number=2) for offset in (2, 3, 4)]
    assert split(run(*others, first, each=1))[0][-1]["name"] == "source"


def test_a_key_that_is_a_placeholder_cannot_name_its_row(run, event, table):
    keyed = table.model_copy(update={"key": ("name",)})
    raw = event("c", {**ROW, "name": GONE})
    _, bad, _ = split(run((json.dumps({"name": GONE}).encode(), raw, 0, 1), table=keyed))
    assert bad[0]["error"] == "UnsupportedSourceError"
    _, bad, _ = split(run((json.dumps({"name": GONE}).encode(), event("d", None), 0, 1), table=keyed))
    assert bad[0]["error"] == "UnsupportedSourceError"


def test_a_hot_key_with_thousands_of_partial_updates_is_one_look_up(run, changes, world):
    world.sink = {1: STORED}
    updates = [changes("u", {"name": GONE}, offset) for offset in range(3, 4003)]
    rows, _, _ = split(run(*updates, generations={0: [(0, 1)]}))
    assert {r["name"] for r in rows} == {"stored"}
    assert len(rows) == 4000
    assert world.asked == [("sink", [1])]


def test_a_sink_that_lacks_events_fills_nothing_but_the_records_do(run, changes, world):
    world.sink = {1: STORED}
    world.source_rows = {1: SOURCE}
    first, second = changes("u", {"name": GONE}, 5), changes("u", {"name": GONE}, 6)
    assert [r["name"] for r in split(run(first, trust=Trust.SINK))[0]] == ["stored"]
    assert [r["name"] for r in split(run(first, trust=Trust.RECORDS))[0]] == ["source"]
    inserted = changes("c", {"name": "long"}, 4)
    rows, _, _ = split(run(inserted, first, second, trust=Trust.RECORDS))
    assert [r["name"] for r in rows] == ["long"] * 3


@pytest.mark.parametrize("each", [1, 100])
def test_between_dead_letters_events_are_missing_so_only_the_source_fills(run, changes, world, each):
    world.sink = {1: STORED}
    world.source_rows = {1: SOURCE, 2: (2, *SOURCE[1:])}
    letters = [
        changes("c", {"name": "long"}, 1),
        changes("u", {"name": GONE}, 4),
        changes("d", {}, 6, lsn=2000),
        changes("c", {"name": GONE}, 9, lsn=2000, number=2, old=1, partition=1),
    ]
    rows, _, _ = split(run(*letters, each=each, trust=Trust.NOTHING))
    assert [(r["id"], r["name"]) for r in rows] == [(1, "long"), (1, "source"), (2, "source")]


def test_a_letter_that_the_sink_has_surpassed_is_not_written(run, changes, world):
    world.sink = {1: (*STORED[:4], pack(1, 6), 100, False)}
    rows, _, seen = split(run(changes("u", {"name": GONE}, 5), trust=Trust.NOTHING))
    assert (rows, seen["superseded"], world.asked) == ([], 1, [("sink", [1])])


def test_a_repair_row_has_the_present_generation_and_not_its_letters(run, changes, world):
    world.source_rows = {1: SOURCE}
    world.generations = {0: [(0, 1), (40, 3)], 1: [(0, 1), (7, 3)]}
    letter = changes("u", {"name": GONE}, 5)
    rows, _, _ = split(run(letter, generations={0: [(0, 1)]}, trust=Trust.NOTHING))
    assert pack(2, 10**6) < rows[0]["_version"] < pack(3, 0)
    rows, _, _ = split(run(letter, generations={0: [(0, 3)]}, trust=Trust.NOTHING))
    assert rows[0]["_version"] == pack(3, 49, repair=True)


def test_a_key_that_came_back_to_its_partition_takes_no_value_of_the_generation_before(run, changes, world):
    """Partitions were added twice, and what was written in between lies in another one."""
    world.sink, world.source_rows = {1: STORED}, {1: SOURCE}
    steps = {0: [(0, 1), (40, 3)], 1: [(0, 2), (40, 3)]}
    world.generations = steps
    inserted, updated = changes("c", {"name": "long"}, 30), changes("u", {"name": GONE}, 41)
    assert [r["name"] for r in split(run(inserted, updated, generations=steps))[0]] == ["long", "source"]
    assert [r["name"] for r in split(run(updated, generations=steps))[0]] == ["source"]


@pytest.mark.parametrize("each", [1, 100])
def test_a_repair_row_of_an_event_before_partitions_were_added_hides_nothing_of_the_new_ones(
    run, changes, world, each
):
    """Partition 2 was added at offset 40 of the others, and key 1 lives there now."""
    world.source_rows = {1: SOURCE}
    world.generations = steps = {0: [(0, 1), (40, 2)], 1: [(0, 1), (40, 2)], 2: [(0, 2)]}
    world.end = 5
    earlier = [changes("u", {"name": GONE}, offset) for offset in (30, 31)]
    later = [changes("u", {"name": GONE}, offset, partition=2) for offset in (1, 2)]
    rows, _, seen = split(run(*earlier, *later, generations=steps, each=each))
    assert [row["_version"] for row in rows] == [pack(2, -1, repair=True), pack(2, 4, repair=True)]
    assert [row["name"] for row in rows] == ["source"] * 2
    assert seen["superseded"] == 2


def test_a_letter_of_a_partition_that_the_topic_has_no_more_is_replayed(run, changes, world):
    world.source_rows = {1: SOURCE}
    world.generations = {0: [(0, 2)], 1: [(0, 2)]}
    letter = changes("u", {"name": GONE}, 5, partition=7)
    rows, _, _ = split(run(letter, generations={7: [(0, 1)]}, trust=Trust.NOTHING))
    assert rows[0]["_version"] == pack(2, -1, repair=True)
