"""Walking the source and its copies in key order."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.comparison.merge import RowShape, compare_rows
from cdc.comparison.report import CompareReport
from cdc.errors import DataError

SHAPE = RowShape(key_width=1, columns=("id", "name"), derived=("upper",))


def compare(source, one, two, **options):
    return compare_rows(source, {"one": one, "two": two}, SHAPE, table="public.t", name="t", **options)


def test_equal_sides_have_no_differences_and_the_same_counts():
    copy = [(1, "a", "A"), (2, None, None)]
    report = compare([(1, "a"), (2, None)], copy, copy)
    assert report.equal
    assert report.rows == {"source": 2, "one": 2, "two": 2}


def test_each_kind_of_difference_is_counted_for_its_sink_and_named():
    report = compare(
        [(1, "a"), (2, "b"), (4, "d")],
        [(1, "a", "A"), (2, "x", "B"), (3, "c", "C"), (4, "d", "D"), (4, "d", "D")],
        [(1, "a", "a"), (4, "d", "D")],
    )
    assert not report.equal
    assert report.counts == {
        "one": {"differing": 1, "extra": 1, "duplicate": 1},
        "two": {"missing": 1, "disagreeing": 1},
    }
    assert report.differing == {"one": 3, "two": 2}
    sentences = [difference.sentence() for difference in report.examples]
    assert "one: row (2), name: expected 'b', found 'x'" in sentences
    assert "two: row (1), upper: expected 'A', found 'a'" in sentences
    assert "two: row (2) is missing" in sentences
    assert "one: row (3) is extra" in sentences


def test_a_row_that_differs_in_several_columns_is_one_row():
    shape = RowShape(1, ("id", "a", "b"))
    report = compare_rows([(1, "a", "b"), (2, "a", "b")], {"one": [(1, "x", "y"), (2, "a", "b")]}, shape)
    assert (report.differences, report.differing) == (2, {"one": 1})


def test_null_is_not_the_empty_text():
    report = compare([(1, None)], [(1, "", None)], [(1, None, None)])
    assert report.counts["one"] == {"differing": 1}


def test_all_are_counted_though_few_are_kept():
    report = compare([(number, "a") for number in range(100)], [], [], limit=3)
    assert report.counts == {"one": {"missing": 100}, "two": {"missing": 100}}
    assert len(report.examples) == 3


def test_a_side_in_another_order_is_refused_and_named():
    with pytest.raises(DataError, match="two returned key"):
        compare([(1, "a"), (2, "b")], [(1, "a", "A"), (2, "b", "B")], [(2, "b", "B"), (1, "a", "A")])


def test_keys_without_a_common_order_are_named():
    with pytest.raises(DataError, match="NaN"):
        compare([(1, "a"), ("NaN", "b")], [], [])
    with pytest.raises(DataError, match="NaN"):
        compare([("NaN", "b")], [(1, "a", "A")], [])


def test_a_report_is_json():
    report = compare([(1, "a" * 500)], [(1, b"x", None)], [])
    document = json.loads(json.dumps(CompareReport("shop", (report,)).as_dict()))
    assert document["equal"] is False
    assert document["tables"][0]["differences"] == {"one": {"differing": 1}, "two": {"missing": 1}}
    assert "(502 characters)" in document["tables"][0]["examples"][0]["expected"]


_ROWS = st.dictionaries(st.integers(0, 12), st.sampled_from("abc"), max_size=12)


@given(_ROWS, _ROWS)
def test_the_merge_finds_what_dictionaries_say(source, sink):
    report = compare_rows(
        sorted(source.items()), {"sink": sorted(sink.items())}, RowShape(1, ("id", "name")), limit=100
    )
    shared = source.keys() & sink.keys()
    expected = {
        "missing": len(source.keys() - sink.keys()),
        "extra": len(sink.keys() - source.keys()),
        "differing": sum(source[key] != sink[key] for key in shared),
    }
    assert report.counts["sink"] == {kind: count for kind, count in expected.items() if count}
    assert report.rows == {"source": len(source), "sink": len(sink)}
