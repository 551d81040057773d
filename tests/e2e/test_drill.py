"""The drill on the running stack: two of its faults, and the pipeline file that it leaves as it was."""

from __future__ import annotations

import json

import pytest


@pytest.mark.drill
def test_a_poison_message_and_a_ghost_row_are_noticed_told_and_mended(stack):
    before = stack.pipeline_file.read_bytes()
    chosen = ("--only", "poison-message", "--only", "ghost-row-warehouse")
    done = stack.command("drill", *chosen, "--json", limit_s=840)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [fault["fault"] for fault in report["faults"]] == ["ghost-row-warehouse", "poison-message"]
    ghost, poison = report["faults"]
    assert (ghost["dag"], poison["dag"]) == ("cdc_reconciliation", "cdc_health")
    assert "dead letters of ecommerce" in poison["mail"]
    assert "] OVER after" in poison["mail_at_the_end"]
    assert all(fault["green"] and fault["changes"] > 100 for fault in report["faults"])
    assert report["equal"]
    assert stack.pipeline_file.read_bytes() == before
