"""A table that was resumed while it was built anew is not exchanged."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from cdc.errors import ConfigurationError
from cdc.model.parking import ParkedTable
from cdc.spec import TableSpec
from cdc_spark.job_run import JobRun
from cdc_spark.rebuild import check_still_parked

PARKED = ParkedTable("things", "warehouse", "why", {0: 10, 1: 5})


def check(table: TableSpec, *now: ParkedTable) -> None:
    ops = SimpleNamespace(parked=lambda _: now)
    run = SimpleNamespace(ops=ops, pipeline=SimpleNamespace(name="p"))
    check_still_parked(cast("JobRun", run), table, {"warehouse": PARKED})


def test_a_table_that_is_parked_as_it_was_is_exchanged(table: TableSpec) -> None:
    check(table, replace(PARKED, reason="another"), replace(PARKED, table="others", released=True))


@pytest.mark.parametrize(
    "now",
    [[], [replace(PARKED, released=True)], [replace(PARKED, offsets={0: 11, 1: 5})]],
    ids=["resumed", "being resumed", "resumed and parked again"],
)
def test_a_table_that_was_resumed_meanwhile_is_not_exchanged(
    table: TableSpec, now: list[ParkedTable]
) -> None:
    others = [replace(PARKED, table="others")]
    with pytest.raises(ConfigurationError, match=r"things was resumed in warehouse .*Nothing was exchanged"):
        check(table, *now, *others)
