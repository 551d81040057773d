"""Generations follow from coordinates, and a changed topic is refused."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import GenerationError
from cdc.model.generations import (
    NEVER,
    GenerationEntry,
    Generations,
    TopicIdentity,
    begins_of,
    check_topic,
    raised,
)


def entry(offset: int, generation: int, partition: int = 0, topic_id: str = "a") -> GenerationEntry:
    return GenerationEntry("t", topic_id, partition, offset, generation)


def test_an_event_has_the_generation_of_the_stretch_it_lies_in() -> None:
    generations = Generations.from_entries([entry(100, 2), entry(0, 1)])
    assert [generations.of("t", 0, offset) for offset in (0, 99, 100, 5000)] == [1, 1, 2, 2]


def test_an_earlier_life_of_the_topic_does_not_count() -> None:
    generations = Generations.from_entries([entry(0, 1), entry(50, 2), entry(0, 3, topic_id="b")])
    assert generations.of("t", 0, 60) == 3
    assert generations.for_topic("t") == {0: [(0, 3)]}


def test_unrecorded_coordinates_are_refused() -> None:
    with pytest.raises(GenerationError, match=r"t\[1\] offset 4 has no recorded generation: run `cdc apply`"):
        Generations.from_entries([entry(0, 1)]).of("t", 1, 4)


def test_falling_generations_are_refused() -> None:
    with pytest.raises(GenerationError, match="do not rise"):
        Generations.from_entries([entry(0, 2), entry(10, 1)])


@given(st.lists(st.integers(1, 10**9), unique=True, max_size=6), st.integers(0, 10**9))
def test_generations_never_fall_within_a_partition(cuts: list[int], offset: int) -> None:
    generations = Generations.from_entries([entry(o, g) for g, o in enumerate([0, *sorted(cuts)], 1)])
    assert generations.of("t", 0, offset) <= generations.of("t", 0, offset + 1)
    assert pickle.loads(pickle.dumps(generations.for_topic("t"))) == generations.for_topic("t")


def test_a_topic_that_is_the_same_or_new_passes() -> None:
    identity = TopicIdentity("t", "a", 3)
    check_topic(None, identity)
    check_topic(identity, TopicIdentity("t", "a", 3))


@pytest.mark.parametrize(
    ("actual", "said"),
    [
        (TopicIdentity("t", "b", 3), "was made anew: its id was a, now it is b"),
        (TopicIdentity("t", "a", 6), "had 3 partitions, now it has 6"),
    ],
)
def test_a_changed_topic_is_refused_with_the_procedure(actual: TopicIdentity, said: str) -> None:
    with pytest.raises(GenerationError, match=said) as caught:
        check_topic(TopicIdentity("t", "a", 3), actual)
    assert "cdc generation raise t" in str(caught.value)


def test_raising_after_more_partitions_cuts_the_old_ones_at_their_ends() -> None:
    old = [entry(0, 1, 0), entry(0, 1, 1)]
    new = raised(old, TopicIdentity("t", "a", 3), {0: 10, 1: 20, 2: 5})
    assert [(e.partition, e.from_offset, e.generation) for e in new] == [(0, 10, 2), (1, 20, 2), (2, 0, 2)]
    generations = Generations.from_entries([*old, *new])
    assert (generations.of("t", 0, 9), generations.of("t", 0, 10), generations.of("t", 2, 0)) == (1, 2, 2)


def test_raising_for_a_topic_made_anew_begins_at_zero() -> None:
    new = raised([entry(0, 4)], TopicIdentity("t", "b", 1), {0: 7})
    assert new == (GenerationEntry("t", "b", 0, 0, 5),)


def test_a_tables_events_begin_with_a_generation_of_its_topic() -> None:
    steps = {0: [(0, 1), (100, 3)], 1: [(0, 1), (50, 3), (90, 4)], 2: [(0, 1)]}
    assert begins_of(steps, 0) == {0: 0, 1: 0, 2: 0}
    assert begins_of(steps, 3) == {0: 100, 1: 50, 2: NEVER}
    assert begins_of(steps, 4) == {0: NEVER, 1: 90, 2: NEVER}
