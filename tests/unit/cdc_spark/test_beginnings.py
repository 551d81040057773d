"""Where a query begins whose checkpoint cannot go on."""

from __future__ import annotations

import pytest

from cdc.model.bounds import Offsets
from cdc_spark.readers.beginnings import EARLIEST, new_beginnings

ENDED: Offsets = {"t": {0: 10, 1: 20}, "u": {0: 5}}
KEPT: Offsets = {"t": {0: 0, 1: 20}, "u": {0: 5}}
NOTHING_CLOSED: Offsets = {"t": {0: 0, 1: 0}, "u": {0: 0}}


@pytest.mark.parametrize(
    ("earliest", "closed"),
    [
        pytest.param(KEPT, NOTHING_CLOSED, id="everything is there"),
        pytest.param({**KEPT, "t": {0: 0, 1: 20, 2: 0}}, NOTHING_CLOSED, id="a partition was added"),
        pytest.param({**KEPT, "v": {0: 3}}, {**NOTHING_CLOSED, "v": {0: 0}}, id="a topic was added"),
        pytest.param({"t": KEPT["t"]}, NOTHING_CLOSED, id="a topic is not read any more"),
        pytest.param(
            {**KEPT, "u": {0: 6}}, {**NOTHING_CLOSED, "u": {0: 5}}, id="more is lost than was closed"
        ),
        pytest.param(KEPT, {**NOTHING_CLOSED, "u": {0: 9}}, id="what was closed is there"),
    ],
)
def test_a_checkpoint_goes_on(earliest: Offsets, closed: Offsets) -> None:
    assert new_beginnings(ENDED, set(), earliest, closed) is None


def test_a_topic_that_was_made_anew_is_read_from_its_beginning_and_the_others_go_on() -> None:
    begins = new_beginnings(ENDED, {"u"}, {"t": {0: 12, 1: 0, 2: 0}, "u": {0: 0}}, NOTHING_CLOSED)
    # What is lost of the other topic is still found missing.
    assert begins == {"t": {0: 10, 1: 20, 2: EARLIEST}, "u": {0: EARLIEST}}


def test_what_is_lost_of_a_closed_generation_is_passed_over() -> None:
    closed = {"t": {0: 0, 1: 25}, "u": {0: 0}}
    begins = new_beginnings(ENDED, set(), {"t": {0: 0, 1: 25}, "u": {0: 0}}, closed)
    assert begins == {"t": {0: 10, 1: EARLIEST}, "u": {0: 5}}
