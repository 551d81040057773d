"""What a person is told of a table: whether it flows, and how much waits where it does not."""

from __future__ import annotations

from cdc.model.parking import ParkedTable
from cdc.services.parked_tables import table_state
from cdc.spec import Pipeline


def parked(released: bool = False) -> ParkedTable:
    return ParkedTable("customers", "warehouse", "why", {0: 10, 1: 5}, released)


def test_a_table_that_is_not_parked_flows(pipeline: Pipeline) -> None:
    state = table_state(pipeline.table("customers"), "warehouse", None, {}, {}, 3)
    assert (state.state, state.waiting, state.dead_letters) == ("flowing", None, 3)


def test_what_waits_lies_between_the_parking_and_the_end(pipeline: Pipeline) -> None:
    ends = {0: 12, 1: 5, 2: 7}
    state = table_state(pipeline.table("customers"), "warehouse", parked(), {0: 0, 1: 0, 2: 0}, ends, 0)
    assert (state.state, state.waiting, state.lost) == ("parked", 2 + 0 + 7, False)


def test_a_resume_that_has_not_ended_is_told(pipeline: Pipeline) -> None:
    assert table_state(pipeline.table("customers"), "w", parked(True), {}, {}, 0).state == "resuming"


def test_events_that_kafka_removed_are_told(pipeline: Pipeline) -> None:
    state = table_state(pipeline.table("customers"), "w", parked(), {0: 11, 1: 0}, {0: 12, 1: 5}, 0)
    assert state.lost


def test_without_kafka_nothing_is_guessed(pipeline: Pipeline) -> None:
    state = table_state(pipeline.table("customers"), "w", parked(), {}, {}, 0)
    assert (state.waiting, state.lost) == (None, False)
