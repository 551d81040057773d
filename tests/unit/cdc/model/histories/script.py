"""Histories as lists of steps: made from a seed, tried, and shrunk by leaving steps out."""

from __future__ import annotations

import random

from tests.unit.cdc.model.histories import ending
from tests.unit.cdc.model.histories.rules import Rules
from tests.unit.cdc.model.histories.world import STEPS, Step, World

RIGHT = Rules()
_NAMES = tuple(name for name, (_, often) in STEPS.items() if often)
_ESSENTIAL = ("change", "capture", "deliver")


def script(seed: int) -> list[Step]:
    """A history of 20 to 80 steps; each has only some kinds, and of some many, so that these meet."""
    chance = random.Random(seed)
    weights = [
        STEPS[name][1] * chance.choice((1, 1, 3) if name in _ESSENTIAL else (0, 0, 1, 1, 5))
        for name in _NAMES
    ]
    names = chance.choices(_NAMES, weights, k=chance.randint(20, 80))
    numbers = chance.randbytes(2 * len(names))
    history = list(zip(names, numbers[::2], numbers[1::2], strict=True))
    if seed % 2 == 0:
        return _with_comparisons(history, chance)
    return history if seed % 4 == 1 else _with_moving_keys(history, chance)


def _with_comparisons(history: list[Step], chance: random.Random) -> list[Step]:
    """The same history, in which rows are compared on the way: that changes nothing, and is never wrong."""
    compared: list[Step] = []
    for step in history:
        compared.append(step)
        compared += [("compare", chance.randrange(256), chance.randrange(256))] * chance.choice((0, 1, 2))
    return compared


def _with_moving_keys(history: list[Step], chance: random.Random) -> list[Step]:
    """The same history, in which partitions are added and a new sink reads the topic from its beginning."""
    for step in (("raise_generation", 0, 0), ("raise_generation", 0, 0), ("renew", chance.randrange(256), 0)):
        history.insert(chance.randrange(len(history)), step)
    return history


def failure(steps: list[Step], rules: Rules = RIGHT, partitions: int = 2) -> str:
    """Why a history does not end with both sinks equal to the source; empty when it does."""
    world = World(rules, partitions)
    try:
        world.run(steps)
        ending.finish(world)
    except AssertionError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def shrunk(steps: list[Step], rules: Rules, partitions: int) -> list[Step]:
    """A failing history with as few steps as leaving out finds, then with smaller numbers."""

    def fails(tried: list[Step]) -> bool:
        return bool(failure(tried, rules, partitions))

    size = len(steps)
    while size:
        before = len(steps)
        for begin in range(len(steps) - size, -1, -size):
            shorter = steps[:begin] + steps[begin + size :]
            if fails(shorter):
                steps = shorter
        if size > 1 or len(steps) == before:
            size //= 2
    for position, (name, a, b) in enumerate(steps):
        for smaller in ((name, 0, 0), (name, 0, b), (name, a, 0), (name, a % 8, b), (name, a, b % 16)):
            changed = [*steps[:position], smaller, *steps[position + 1 :]]
            if smaller != steps[position] and fails(changed):
                steps = changed
                break
    return steps
