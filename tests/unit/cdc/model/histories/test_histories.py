"""Histories: whatever happens on the way, both sinks' readers see in the end what the source has.

`CDC_HISTORIES=1000000` runs that many instead of the usual number; `CDC_HISTORIES_SEED` moves the first one.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.cdc.model.histories.kept import FAILED_ONCE, SHOWS, History
from tests.unit.cdc.model.histories.mistakes import MISTAKES
from tests.unit.cdc.model.histories.script import RIGHT, failure, script, shrunk
from tests.unit.cdc.model.histories.world import STEPS, Step

COUNT = int(os.environ.get("CDC_HISTORIES", "12000"))
FIRST = int(os.environ.get("CDC_HISTORIES_SEED", "0"))
SHARDS = 12
TRIES = 3000

numbers = st.integers(0, 255)
histories = st.lists(st.tuples(st.sampled_from(tuple(STEPS)), numbers, numbers), max_size=60)


def partitions_of(seed: int) -> int:
    return 1 + seed % 3


@pytest.mark.timeout(0)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_history_ends_with_the_sources_rows(shard: int) -> None:
    steps = 0
    for seed in range(FIRST + shard, FIRST + COUNT, SHARDS):
        history, partitions = script(seed), partitions_of(seed)
        steps += len(history)
        if failure(history, RIGHT, partitions):
            small = shrunk(history, RIGHT, partitions)
            pytest.fail(f"seed {seed}, {partitions} partitions: {failure(small, RIGHT, partitions)}\n{small}")
    assert steps >= 20 * (COUNT // SHARDS)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories, st.integers(1, 3))
def test_every_list_of_steps_is_a_history_that_ends_well(history: list[Step], partitions: int) -> None:
    assert failure(history, RIGHT, partitions) == ""


@pytest.mark.parametrize("kept", [*FAILED_ONCE.values(), *SHOWS.values()], ids=[*FAILED_ONCE, *SHOWS])
def test_a_kept_history_ends_well(kept: History) -> None:
    partitions, history = kept
    assert failure(history, RIGHT, partitions) == ""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_histories_find_a_planted_mistake(mistake: str) -> None:
    rules = MISTAKES[mistake]
    if mistake in SHOWS:
        partitions, history = SHOWS[mistake]
        assert "DifferentError" in failure(history, rules, partitions)
        return
    found = (
        seed for seed in range(TRIES) if "DifferentError" in failure(script(seed), rules, partitions_of(seed))
    )
    assert next(found, None) is not None, f"{TRIES} histories do not notice that {mistake}"


def test_shrinking_keeps_the_failure_and_only_what_it_needs() -> None:
    rules = MISTAKES["ClickHouse has no truncate floor"]
    seed = next(s for s in range(TRIES) if failure(script(s), rules, 2))
    small = shrunk(script(seed), rules, 2)
    assert failure(small, rules, 2)
    assert all(not failure(small[:i] + small[i + 1 :], rules, 2) for i in range(len(small)))
