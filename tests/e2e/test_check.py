"""The main job: every change arrives in both sinks, also with a stop and a start in between."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from local_stack.context import REPO


def test_twenty_thousand_changes_arrive_exactly(stack):
    done = stack.command("check", "--changes", "20000", "--seed", "42", limit_s=850)
    assert done.returncode == 0
    assert "20,000 changes" in done.stdout
    assert "equal: every row and every column" in done.stdout
    assert "SELECT * FROM orders_fact ORDER BY processed_at DESC LIMIT 10;" in done.stdout


def stopped_by_ctrl_c(stack) -> str:
    """What `make cdc-run` says that a person interrupts while changes flow, and once more while it stops."""
    argv = [sys.executable, "-m", "local_stack.cli", "run", "--rate", "150", "--seed", "9"]
    with subprocess.Popen(
        argv, env=stack.env, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as job:
        lines = []
        assert job.stdout is not None
        for line in job.stdout:
            lines.append(line)
            # the third line of the screen: changes flow, and the stop comes in the middle of them
            if sum(" changes | " in said for said in lines) == 3:
                job.send_signal(signal.SIGINT)
                break
        for line in job.stdout:
            lines.append(line)
            if ": stopping" in line:
                job.send_signal(signal.SIGINT)
                break
        rest, _ = job.communicate(timeout=300)
    output = "".join(lines) + rest
    assert job.returncode == 0, output
    return output


@pytest.mark.drill
def test_the_start_after_a_ctrl_c_goes_on_with_nothing_lost_or_doubled(stack):
    before = stack.drivers()
    stopped_by_ctrl_c(stack)
    assert stack.command("up").returncode == 0
    stack.launch()
    done = stack.command("check", "--changes", "2000", "--seed", "43", limit_s=850)
    assert done.returncode == 0
    after = stack.drivers()
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())


def test_ctrl_c_stops_everything(stack):
    """The last of this folder's tests, since it leaves nothing running."""
    output = stopped_by_ctrl_c(stack)
    assert "first rows in every sink" in output
    assert "still stopping in order" in output
    assert "everything has stopped" in output
    assert stack.stack.record() is None
