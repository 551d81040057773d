"""A changelog adds up to the source's rows, each as often as it is there."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.comparison.merge import RowShape
from cdc.comparison.multiset import compare_multisets

SHAPE = RowShape(key_width=0, columns=("id", "name"), derived=("upper",))


def compare(source, **sinks):
    return compare_multisets(
        lambda: iter(source),
        {name: partial(iter, list(rows)) for name, rows in sinks.items()},
        SHAPE,
        table="public.t",
        name="t",
    )


def test_duplicates_count_and_what_went_is_taken_off():
    log = [((1, "a", "A"), 1)] * 3 + [((1, "a", "A"), -1), ((2, None, None), 1)]
    report = compare([(1, "a"), (1, "a"), (2, None)], one=log, two=reversed(log))
    assert report.equal
    assert report.rows == {"source": 3, "one": 3, "two": 3}


def test_a_lost_event_and_a_doubled_one_are_found_and_shown():
    source = [(1, "a"), (1, "a")]
    report = compare(source, lost=[((1, "a", "A"), 1)], doubled=[((1, "a", "A"), 1)] * 3)
    assert report.counts == {"lost": {"missing": 1}, "doubled": {"extra": 1}}
    assert [d.sentence() for d in report.examples] == [
        "lost: row (1, a) is missing",
        "doubled: row (1, a) is extra",
    ]


def test_a_lost_delete_and_a_doubled_one_do_not_make_up_for_each_other():
    log = [((1, "a", None), 1), ((2, "b", None), 1), ((2, "b", None), -1), ((2, "b", None), -1)]
    report = compare([(2, "b")], sink=log)
    assert report.counts == {"sink": {"missing": 2, "extra": 1}}


def test_derived_columns_of_two_sinks_are_compared():
    report = compare([(1, "a")], one=[((1, "a", "A"), 1)], two=[((1, "a", "a"), 1)])
    assert report.counts == {"one": {}, "two": {"disagreeing": 2}}
    assert not report.equal


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (Decimal("1.50"), Decimal("1.5"), True),
        (Decimal("1e2"), Decimal(100), True),
        (Decimal("-0.0"), Decimal(0), True),
        (Decimal("1" * 40), Decimal("1" * 39 + "2"), False),
        ((Decimal("1.0"), None), (Decimal(1), None), True),
        (None, "", False),
        (None, "None", False),
    ],
)
def test_a_value_has_one_form(one, other, equal):
    assert compare([(1, one)], sink=[((1, other, None), 1)]).equal is equal


_ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab")), max_size=12)


@given(_ROWS, _ROWS)
def test_the_comparison_finds_what_counting_says(source, sink):
    report = compare(source, sink=[((*row, None), 1) for row in sink])
    off = {row: source.count(row) - sink.count(row) for row in {*source, *sink}}
    expected = {
        "missing": sum(n for n in off.values() if n > 0),
        "extra": sum(-n for n in off.values() if n < 0),
    }
    assert report.counts["sink"] == {kind: count for kind, count in expected.items() if count}
