"""Which faults there are and which are chosen; and the command."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from cdc.errors import ConfigurationError
from local_stack.cli import app
from local_stack.drill.runner import all_faults, choose_faults

NAMES = [
    "connector-task", "killed-driver", "stalled-query", "idle-slot",
    "altered-row-clickhouse", "missing-row-clickhouse", "ghost-row-clickhouse",
    "altered-row-warehouse", "missing-row-warehouse", "ghost-row-warehouse",
    "poison-message", "stop-clickhouse", "stop-warehouse",
]  # fmt: skip


def test_every_fault_that_was_promised_is_planted() -> None:
    assert [fault.name for fault in all_faults()] == NAMES
    assert all(fault.planted and fault.mended_by for fault in all_faults())


def test_a_row_that_the_source_does_not_have_is_said_to_be_removed_and_the_others_to_be_read_again() -> None:
    said = {fault.name: fault.mended_by for fault in all_faults() if "-row-" in fault.name}
    for name, mended_by in said.items():
        expected = "removes the row" if name.startswith("ghost") else "reads the row again"
        assert expected in mended_by, name


def test_faults_are_chosen_by_name_and_planted_in_their_own_order() -> None:
    assert [fault.name for fault in choose_faults([])] == NAMES
    assert [f.name for f in choose_faults(["stop-warehouse", "idle-slot", "idle-slot"])] == [
        "idle-slot", "stop-warehouse",
    ]  # fmt: skip


def test_an_unknown_fault_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"'earthquake'.*connector-task, killed-driver"):
        choose_faults(["idle-slot", "earthquake"])


def test_the_list_needs_no_stack() -> None:
    told = CliRunner().invoke(app, ["drill", "--list"])
    assert told.exit_code == 0
    for name in NAMES:
        assert f"{name}: " in told.stdout


def test_an_unknown_fault_starts_nothing() -> None:
    assert CliRunner().invoke(app, ["drill", "--only", "earthquake"]).exit_code == 1
