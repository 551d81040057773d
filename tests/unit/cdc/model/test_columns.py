"""Versions of whole columns are those of each event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import GenerationError
from cdc.model.columns import versions
from cdc.model.generations import GenerationEntry, Generations
from cdc.model.version import MAX_OFFSET, pack

CUTS = {0: [(0, 1), (10, 2), (25, 4)], 1: [(0, 1)], 2: [(5, 3)]}
GENERATIONS = Generations.from_entries(
    GenerationEntry("t", "id", partition, begin, generation)
    for partition, steps in CUTS.items()
    for begin, generation in steps
)


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(5, 40))))
def test_a_column_has_the_versions_of_its_events(events: list[tuple[int, int]]) -> None:
    found = versions("t", GENERATIONS.for_topic("t"), [p for p, _ in events], [o for _, o in events])
    assert found.tolist() == [pack(GENERATIONS.of("t", p, o), o) for p, o in events]


@pytest.mark.parametrize(("partition", "offset"), [(2, 4), (3, 0)])
def test_coordinates_without_a_generation_are_refused(partition: int, offset: int) -> None:
    with pytest.raises(GenerationError, match="without a recorded generation"):
        versions("t", CUTS, [0, partition], [0, offset])


def test_an_offset_beyond_a_version_is_refused() -> None:
    with pytest.raises(GenerationError, match="beyond what a version holds"):
        versions("t", CUTS, [1], [MAX_OFFSET + 1])
