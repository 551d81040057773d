"""The bounded main job: every change arrives in both sinks, also with a stop and a start in between."""

from __future__ import annotations

import pytest

from local_stack import streams


@pytest.mark.timeout(600)
def test_twenty_thousand_changes_arrive_exactly(stack):
    done = stack.command("check", "--changes", "20000", "--seed", "42", limit_s=580)
    assert done.returncode == 0
    assert "20,000 changes" in done.stdout
    assert "equal: every row and every column" in done.stdout
    assert "SELECT * FROM orders_fact ORDER BY processed_at DESC LIMIT 10;" in done.stdout


@pytest.mark.timeout(900)
def test_a_stop_and_a_start_in_the_middle_lose_and_double_nothing(stack):
    before = stack.drivers()
    done = stack.command("check", "--changes", "4000", "--seed", "43", "--restart-in-the-middle", limit_s=880)
    assert done.returncode == 0
    assert "half of the changes are made" in done.stdout
    after = stack.drivers()
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    assert set(streams.states(stack.ctx).values()) == {"running"}
