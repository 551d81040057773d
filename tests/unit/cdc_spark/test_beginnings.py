"""Where a query begins whose checkpoint cannot go on."""

from __future__ import annotations

import pytest

from cdc.model.bounds import Offsets
from cdc.model.generations import Generations
from cdc_spark.readers.beginnings import closed, goes_on, new_beginnings

ENDED: Offsets = {"t": {0: 10, 1: 20}, "u": {0: 5}}
KEPT: Offsets = {"t": {0: 0, 1: 20}, "u": {0: 5}}
NOTHING_CLOSED: Offsets = {"t": {0: 0, 1: 0}, "u": {0: 0}, "v": {0: 0}}


@pytest.mark.parametrize(
    ("earliest", "closed"),
    [
        pytest.param(KEPT, NOTHING_CLOSED, id="everything is there"),
        pytest.param({**KEPT, "t": {0: 0, 1: 20, 2: 0}}, NOTHING_CLOSED, id="a partition was added"),
        pytest.param({**KEPT, "v": {0: 0}}, NOTHING_CLOSED, id="a topic was added"),
        pytest.param({**KEPT, "v": {0: 3}}, NOTHING_CLOSED, id="a topic was added that has lost records"),
        pytest.param({**KEPT, "u": {0: 6}}, {**NOTHING_CLOSED, "u": {0: 5}}, id="more is lost than closed"),
        pytest.param(KEPT, {**NOTHING_CLOSED, "u": {0: 9}}, id="what was closed is there"),
    ],
)
def test_a_checkpoint_goes_on(earliest: Offsets, closed: Offsets) -> None:
    begins = new_beginnings(ENDED, set(), earliest, closed)
    assert goes_on(ENDED, {**ENDED, "t": {0: 15, 1: 20}}, begins, set())


@pytest.mark.parametrize(
    ("anew", "earliest", "closed", "begins"),
    [
        pytest.param(
            {"u"},
            {"t": {0: 12, 1: 0, 2: 0}, "u": {0: 0}},
            NOTHING_CLOSED,
            # What is lost of the other topic is still found missing.
            {"t": {0: 10, 1: 20, 2: 0}, "u": {0: 0}},
            id="a topic was made anew",
        ),
        pytest.param(
            set(),
            {"t": {0: 0, 1: 25}, "u": {0: 0}},
            {**NOTHING_CLOSED, "t": {0: 0, 1: 25}},
            {"t": {0: 10, 1: 25}, "u": {0: 5}},
            id="what is lost was closed",
        ),
        pytest.param(
            set(),
            {**KEPT, "v": {0: 3}},
            {**NOTHING_CLOSED, "v": {0: 4}},
            {**ENDED, "v": {0: 3}},
            id="a topic was added whose lost records were closed",
        ),
        pytest.param(set(), {"t": KEPT["t"]}, NOTHING_CLOSED, {"t": ENDED["t"]}, id="a topic was removed"),
    ],
)
def test_another_checkpoint_begins_and_the_other_topics_go_on(
    anew: set[str], earliest: Offsets, closed: Offsets, begins: Offsets
) -> None:
    found = new_beginnings(ENDED, anew, earliest, closed)
    assert found == begins
    assert not goes_on(ENDED, {}, found, anew)


@pytest.mark.parametrize(
    ("planned", "anew"),
    [
        pytest.param({**ENDED, "v": {0: 3}}, set(), id="of a topic that was taken out again"),
        pytest.param({**ENDED, "u": {0: 50}}, {"u"}, id="of a topic that was made anew"),
    ],
)
def test_a_batch_that_was_planned_and_cannot_be_run_again_is_given_up(
    planned: Offsets, anew: set[str]
) -> None:
    ended: Offsets = {"t": {0: 10, 1: 20}, "u": {0: 0}}
    begins = new_beginnings(ended, anew, KEPT, NOTHING_CLOSED)
    assert begins == ended
    assert not goes_on(ended, planned, begins, anew)


def test_nothing_is_missing_of_what_another_query_of_the_sink_has_read() -> None:
    generations = Generations({"t": {0: [(0, 1), (4, 2)], 1: [(0, 1), (4, 2)]}})
    assert closed(generations, "t", {"t": {0: 7, 1: 2}, "u": {0: 9}}) == {0: 7, 1: 4}


def test_a_new_query_begins_at_the_oldest_record_unless_it_goes_on_where_another_has_a_gap() -> None:
    earliest, known = {"t": {0: 7, 1: 7}, "u": {0: 9}}, {"t": {0: 8, 1: 6}, "u": {0: 0}}
    assert new_beginnings(None, set(), earliest, known, {"t": {0: 8, 1: 6}}) == {
        # Of partition 1 a record was lost that the other query had not read: this one finds it missing.
        "t": {0: 7, 1: 0},
        "u": {0: 9},
    }
