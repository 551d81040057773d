"""Merges go where they help most, within the budget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cdc.model.upkeep import Budget, PartitionSample, plan_merges

BUDGET = Budget(bytes=100, merges=4)
samples = st.lists(
    st.builds(
        PartitionSample,
        table=st.sampled_from(["a", "b"]),
        id=st.sampled_from(["all", "1", "2"]),
        parts=st.integers(1, 9),
        rows=st.just(1),
        bytes=st.integers(0, 80),
    ),
    unique_by=lambda sample: (sample.table, sample.id),
)


def sample(table: str, parts: int, size: int = 10) -> PartitionSample:
    return PartitionSample(table, "all", parts, 1, size)


def test_the_partition_with_most_parts_comes_first() -> None:
    plan = plan_merges([sample("few", 2), sample("many", 30), sample("some", 5)], 0, BUDGET)
    assert [chosen.table for chosen in plan.chosen] == ["many", "some", "few"]


def test_one_part_needs_no_merge_and_is_not_told() -> None:
    plan = plan_merges([sample("merged", 1)], 0, BUDGET)
    assert plan.chosen == ()
    assert plan.skipped == ()


def test_what_does_not_fit_is_left_and_a_smaller_one_still_goes() -> None:
    plan = plan_merges([sample("huge", 9, 101), sample("small", 2, 100)], 0, BUDGET)
    assert [chosen.table for chosen in plan.chosen] == ["small"]
    [(left, why)] = plan.skipped
    assert left.table == "huge"
    assert "101 bytes" in why


def test_a_busy_server_is_left_alone() -> None:
    plan = plan_merges([sample("many", 30)], 4, BUDGET)
    assert plan.chosen == ()
    assert "4 merges run already" in plan.skipped[0][1]


@given(samples, st.integers(0, 8))
def test_the_budget_is_never_exceeded_and_nothing_is_forgotten(
    found: list[PartitionSample], running: int
) -> None:
    plan = plan_merges(found, running, BUDGET)
    assert sum(chosen.bytes for chosen in plan.chosen) <= BUDGET.bytes
    told = {*plan.chosen, *(left for left, _ in plan.skipped)}
    assert told == {one for one in found if one.parts > 1}
