"""Which tombstones may go: only those that no older event can come back behind.

A tombstone that is gone lets an older event of its key, written again, bring the row back. Older events come
again from Kafka (whatever it still holds), from dead letters and from writes under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cdc.model.version import generation_of

Held = Iterable[tuple[int, int]]
"""(partition, version) of events that can be written again though Kafka may not hold them any more."""


def horizons(earliest: Mapping[int, int], held: Held = ()) -> dict[int, int]:
    """For each partition, the version below which no event can come again.

    Args:
        earliest: for each partition of the topic, the version at its earliest offset. Checkpoints and parked
            tables are not below it, or their events would be lost.
        held: open dead letters, and what writers under way read.

    When a partition still has events of an earlier generation, tombstones of later ones all stay: the key may
    have lived in another partition then.
    """
    kept = list(held)
    lowest = min([*earliest.values(), *(version for _, version in kept)], default=0)
    ceiling = generation_of(lowest) + 1 << 48
    return {
        partition: min(version, ceiling, *(v for p, v in kept if p == partition))
        for partition, version in earliest.items()
    }


def is_behind(partition: int, version: int, horizon: Mapping[int, int]) -> bool:
    """True when the tombstone may go; one of a partition that the topic has no more stays."""
    return version < horizon.get(partition, 0)


def cleanup_permitted(tombstones: Held, horizon: Mapping[int, int], repairs: int) -> bool:
    """Whether `OPTIMIZE … FINAL CLEANUP`, which knows no horizon, may run.

    Args:
        tombstones: (partition, version) of every tombstone.
        horizon: what `horizons` says.
        repairs: repairs and other bounded runs under way.
    """
    return not repairs and all(is_behind(p, version, horizon) for p, version in tombstones)
