"""A table is complete in a sink only when nothing that the fence covers can be missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cdc.model.watermark import (
    Fence,
    SinkFacts,
    Watermark,
    behind,
    doubt_of,
    ends_early,
    lsn_number,
    lsn_text,
)

TOPIC, SOURCE = "dbserver1.public.orders", "public.orders"
FENCE = Fence(lsn=500, complete_until=None, ends={TOPIC: {0: 10, 1: 0, 2: 7}})
WRITTEN = SinkFacts(committed={0: 10, 2: 8})


def test_offsets_of_a_topic_that_is_there_no_more_prove_nothing() -> None:
    assert doubt_of(replace(FENCE, anew={TOPIC: "made anew"}), SOURCE, TOPIC, WRITTEN) == "made anew"
    assert doubt_of(replace(FENCE, anew={"another": "made anew"}), SOURCE, TOPIC, WRITTEN) == ""


def test_a_topic_that_has_less_than_was_read_is_another_one() -> None:
    assert ends_early({TOPIC: {0: 10, 1: 0, 2: 9}}, TOPIC, WRITTEN.committed) == ""
    said = ends_early({TOPIC: {0: 9, 1: 0, 2: 9}}, TOPIC, WRITTEN.committed)
    assert "partition 0 was read up to 10 and ends at 9" in said
    assert "ends at 0" in ends_early({}, TOPIC, {0: 1})


def test_a_query_beyond_every_end_is_complete() -> None:
    assert doubt_of(FENCE, SOURCE, TOPIC, WRITTEN) == ""


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (replace(WRITTEN, committed={0: 9, 2: 7}), "1 offsets"),
        (replace(WRITTEN, committed={0: 10}), "7 offsets"),
        (replace(WRITTEN, parked="a column was renamed"), "parked: a column was renamed"),
        (replace(WRITTEN, dead_letters=3), "3 dead letter(s)"),
        (
            replace(WRITTEN, gap="the slot was lost; mend it"),
            "changes are missing: the slot was lost; mend it",
        ),
    ],
)
def test_whatever_may_be_missing_is_said(facts: SinkFacts, word: str) -> None:
    assert word in doubt_of(FENCE, SOURCE, TOPIC, facts)


def test_no_table_is_complete_before_its_snapshot() -> None:
    own = replace(FENCE, snapshots={SOURCE: "its snapshot is under way"})
    every = replace(FENCE, snapshots={"": "a snapshot is under way"})
    other = replace(FENCE, snapshots={"public.customers": "its snapshot is under way"})
    assert doubt_of(own, SOURCE, TOPIC, WRITTEN)
    assert doubt_of(every, SOURCE, TOPIC, WRITTEN)
    assert doubt_of(other, SOURCE, TOPIC, WRITTEN) == ""


def test_a_topic_that_is_not_there_is_no_empty_topic() -> None:
    assert "does not exist" in doubt_of(FENCE, SOURCE, "dbserver1.public.new", WRITTEN)


def test_offsets_beyond_the_end_make_up_for_nothing() -> None:
    assert behind(FENCE, TOPIC, SinkFacts(committed={0: 1_000, 2: 0})) == 7


def test_a_doubt_takes_the_watermark_away() -> None:
    proven = Watermark("shop", "orders", "clickhouse", 0x16B374D848, datetime(2026, 1, 2, tzinfo=UTC))
    assert proven.holds
    assert proven.text == "16/B374D848, complete before 2026-01-02 00:00:00 UTC"
    assert not replace(proven, doubt="parked").holds
    assert replace(proven, doubt="parked").text == "parked"


def test_lsns_are_written_as_postgresql_does() -> None:
    assert lsn_number("16/B374D848") == 0x16B374D848
    assert lsn_text(0x16B374D848) == "16/B374D848"
    assert lsn_text(lsn_number("0/15")) == "0/15"
