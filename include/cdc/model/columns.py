"""Versions of whole columns at once: what `Generations.of` and `version.pack` say of each event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cdc.errors import GenerationError
from cdc.model.version import MAX_GENERATION, MAX_OFFSET

Steps = Mapping[int, Sequence[tuple[int, int]]]
"""`{partition: [(from offset, generation), …]}` of one topic, as `Generations.for_topic` gives it."""

Integers = NDArray[np.int64]


def versions(topic: str, steps: Steps, partitions: Sequence[int], offsets: Sequence[int]) -> Integers:
    """The versions of events by their coordinates.

    Raises:
        GenerationError: coordinates without a recorded generation, or beyond what a version holds.
    """
    places, numbers = np.asarray(partitions, np.int64), np.asarray(offsets, np.int64)
    generations = np.zeros(len(numbers), np.int64)
    for partition in np.unique(places):
        here = places == partition
        generations[here] = _generations(topic, int(partition), steps, numbers[here])
    if len(numbers) and (numbers.max() > MAX_OFFSET or generations.max() > MAX_GENERATION):
        raise GenerationError(f"{topic}: an offset or a generation is beyond what a version holds")
    return generations << 48 | (numbers + 1) << 1


def _generations(topic: str, partition: int, steps: Steps, offsets: Integers) -> Integers:
    cuts = np.asarray(steps.get(partition, ()), np.int64).reshape(-1, 2)
    step = np.searchsorted(cuts[:, 0], offsets, side="right") - 1
    if not len(cuts) or step.min(initial=0) < 0:
        raise GenerationError(
            f"{topic}[{partition}] has offsets without a recorded generation: run `cdc apply`, "
            "which records every topic of the pipeline"
        )
    generations: Integers = cuts[step, 1]
    return generations
