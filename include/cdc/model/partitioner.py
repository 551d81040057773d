"""Which partition of a topic a key lives in: Kafka's default partitioner, and the proof that it was used.

Kafka's Java producer takes murmur2 of the key's bytes (`org.apache.kafka.common.utils.Utils.murmur2`, then
`toPositive`). A repair's version counts offsets of the key's own partition, so a partition is only computed
for a table whose stored rows lie where this says.
"""

from __future__ import annotations

from collections.abc import Iterable

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit hash, without sign."""
    length = len(data)
    value = (_SEED ^ length) & _MASK
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        value = (value * _M & _MASK) ^ k
    if rest := data[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * _M & _MASK
    value = (value ^ value >> 13) * _M & _MASK
    return value ^ value >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def misplaced(keys: Iterable[tuple[bytes, int]], partitions: int) -> list[tuple[bytes, int]]:
    """Those keys that were stored from another partition than the one computed."""
    return [(key, partition) for key, partition in keys if partition_of(key, partitions) != partition]
