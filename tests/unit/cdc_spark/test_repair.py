"""Keys → repair rows and tombstones, above everything in the key's partition."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from cdc.errors import DataError, GenerationError, UnavailableError
from cdc.model.partitioner import partition_of
from cdc.model.version import pack
from cdc_spark.transformations.cdc_transformer import TableContext
from cdc_spark.transformations.repair import KEYS, repair_function


@pytest.fixture
def repaired(context: TableContext) -> Callable[..., list[dict[str, Any]]]:
    def run(*keys: bytes, partitions: int = 2) -> list[dict[str, Any]]:
        """Of keys that were placed when the topic had so many partitions."""
        placed = [{"key": key, "partition": partition_of(key, partitions)} for key in keys]
        batch = pa.RecordBatch.from_pylist(placed, KEYS)
        return [row for out in repair_function(context)(iter([batch])) for row in out.to_pylist()]

    return run


def test_a_row_is_the_sources_and_a_row_that_is_gone_a_tombstone(world, repaired) -> None:
    world.source_rows = {7: (7, "x", "1.50", ["a"]), 8: (8, "y", None, None)}
    found = {row["id"]: row for row in repaired(b'{"id":7}', b'{"id":8}', b'{"id":9}')}
    assert [(n, found[n]["_op"]) for n in (7, 8, 9)] == [(7, "r"), (8, "r"), (9, "d")]
    assert (found[7]["name"], str(found[7]["price"]), found[7]["labels"]) == ("x", "1.50", ["a"])
    assert (found[9]["name"], found[9]["price"]) == (None, None)
    for number, partition in ((7, 1), (8, 0), (9, 1)):
        row = found[number]
        assert (row["_partition"], row["_offset"], row["_lsn"]) == (partition, world.end - 1, 9000)
        assert row["_version"] == pack(1, world.end - 1, repair=True)
    (marker,) = [row for row in found.values() if row["_op"] == "#"]
    assert json.loads(marker["_note"])["events"] == 3


def test_the_generation_is_that_of_the_partitions_end(world, repaired) -> None:
    world.source_rows, world.end = {7: (7, "x", None, None)}, 100
    world.generations = {0: [(0, 1), (100, 2)], 1: [(0, 1), (100, 2)]}
    assert repaired(b'{"id":7}')[0]["_version"] == pack(2, 99, repair=True)


def test_an_empty_partition_has_repairs_below_its_first_event(world, repaired) -> None:
    world.source_rows, world.end = {7: (7, "x", None, None)}, 0
    assert repaired(b'{"id":7}')[0]["_version"] < pack(1, 0)


@pytest.mark.parametrize("known_to", ["the keys' places", "the generations"])
def test_after_partitions_were_added_nothing_is_repaired_by_what_was_computed_before(
    world, repaired, known_to
) -> None:
    """Key 12 lives in partition 2 now, whose end is far below that of partition 1."""
    world.source_rows = {12: (12, "x", None, None)}
    added = {0: [(0, 1), (50, 2)], 1: [(0, 1), (50, 2)], 2: [(0, 2)]}
    world.ends, partitions = {0: 50, 1: 50, 2: 3}, 2
    if known_to == "the keys' places":
        world.generations = added
        assert repaired(b'{"id":12}', partitions=3)[0]["_version"] == pack(2, 2, repair=True)
    else:
        partitions = 3
    with pytest.raises(GenerationError, match="has 3 partitions, and had others"):
        repaired(b'{"id":12}', partitions=partitions)


def test_a_row_that_does_not_fit_is_told_and_not_written(world, repaired) -> None:
    world.source_rows = {7: (7, None, None, None), 8: (8, "y", None, None)}
    rows = repaired(b'{"id":7}', b'{"id":8}')
    assert [row["id"] for row in rows if row["_op"] == "r"] == [8]
    (bad,) = [row for row in rows if row["_op"] == "!"]
    assert "column 'name': received NULL" in json.loads(bad["_note"])["message"]


def test_what_cannot_be_asked_or_is_no_key_is_an_error(world, repaired) -> None:
    with pytest.raises(DataError, match="is no key of"):
        repaired(b'{"nr":7}')
    world.failure = UnavailableError("away")
    with pytest.raises(UnavailableError):
        repaired(b'{"id":7}')
