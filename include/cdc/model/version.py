"""The version of a row: Kafka's order for a key, as one integer that both sinks compare.

    generation << 48 | (offset + 1) << 1 | repair

Kafka's order within a partition is the only clock that orders the changes of a key. 15 bits of generation
keep the number inside PostgreSQL's bigint.
"""

from __future__ import annotations

from typing import NamedTuple

from cdc.errors import DataError

MAX_GENERATION = 2**15 - 1
MAX_OFFSET = 2**47 - 2


class Version(NamedTuple):
    """A version's parts; they compare as the packed numbers do."""

    generation: int
    offset: int
    repair: bool


def pack(generation: int, offset: int, repair: bool = False) -> int:
    """Pack a version.

    Args:
        generation: the generation of the event's coordinates, 0 to `MAX_GENERATION`.
        offset: the event's offset; of a repair row, the last offset that it lies above (end offset - 1, so -1
            in an empty partition).
        repair: the row was read from the source, not from the topic.

    Raises:
        DataError: a part is out of range.
    """
    if not 0 <= generation <= MAX_GENERATION:
        raise DataError(f"generation {generation} is outside 0..{MAX_GENERATION}")
    lowest = -1 if repair else 0
    if not lowest <= offset <= MAX_OFFSET:
        raise DataError(f"offset {offset} is outside {lowest}..{MAX_OFFSET}")
    return generation << 48 | (offset + 1) << 1 | int(repair)


def generation_of(version: int) -> int:
    """The generation in a packed version."""
    return version >> 48


def filled(generation: int) -> int:
    """The version of a row that a new build has read as a whole: below every event of its generation."""
    return generation << 48


def is_filled(version: int) -> bool:
    """Whether a new build has read the row."""
    return version == filled(generation_of(version))


def unpack(version: int) -> Version:
    """Take a packed version apart.

    Raises:
        DataError: `pack` never makes this number.
    """
    parts = Version(version >> 48, (version >> 1 & 2**47 - 1) - 1, bool(version & 1))
    if version < 0 or parts.generation > MAX_GENERATION or (parts.offset < 0 and not parts.repair):
        raise DataError(f"{version} is no version: expected generation << 48 | (offset + 1) << 1 | repair")
    return parts
