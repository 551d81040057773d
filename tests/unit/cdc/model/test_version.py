"""Versions sort as Kafka's order does, and fit where they are stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import DataError
from cdc.model.version import MAX_GENERATION, MAX_OFFSET, Version, pack, unpack

parts = st.builds(Version, st.integers(0, MAX_GENERATION), st.integers(0, MAX_OFFSET), st.booleans())


@given(parts)
def test_a_version_unpacks_to_what_was_packed(version: Version) -> None:
    assert unpack(pack(*version)) == version


@given(parts, parts)
def test_numbers_compare_as_generation_offset_repair(a: Version, b: Version) -> None:
    assert (pack(*a) < pack(*b)) == (a < b)


@given(parts)
def test_a_version_fits_a_signed_bigint(version: Version) -> None:
    assert 0 < pack(*version) < 2**63


@given(st.integers(0, MAX_GENERATION), st.integers(0, MAX_OFFSET))
def test_a_repair_lies_above_all_that_was_there_and_below_what_comes(generation: int, end: int) -> None:
    repair = pack(generation, end - 1, repair=True)
    assert repair < pack(generation, end)
    if end:
        assert repair > pack(generation, end - 1)


@pytest.mark.parametrize(
    ("generation", "offset", "repair"),
    [
        (-1, 0, False),
        (MAX_GENERATION + 1, 0, False),
        (0, -1, False),
        (0, MAX_OFFSET + 1, False),
        (0, -2, True),
    ],
)
def test_out_of_range_is_refused(generation: int, offset: int, repair: bool) -> None:
    with pytest.raises(DataError, match="is outside"):
        pack(generation, offset, repair)


@pytest.mark.parametrize("version", [-1, 0, 1 << 63])
def test_a_number_that_is_no_version_is_refused(version: int) -> None:
    with pytest.raises(DataError, match="is no version"):
        unpack(version)
