"""What chaos kills, and when."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from cdc.errors import ConfigurationError, UnavailableError
from local_stack.context import REPO, Places
from local_stack.job.kills import LATEST_MOMENT_S, TARGETS, Kill, Killer, _replaces, candidates, plan_kills
from local_stack.screen import StatusRow
from local_stack.stack import LocalStack


def row(name: str, pid: int | None = 1, state: str = "running") -> StatusRow:
    return StatusRow(name, pid, state, 0, 1.0, None, 1, "")


def test_every_component_of_the_requirement_is_a_target():
    assert set(TARGETS) == {
        "kafka", "connect", "driver", "executor", "nodemanager", "resourcemanager", "clickhouse", "source",
        "warehouse", "control", "airflow-scheduler", "airflow-triggerer", "airflow-dag-processor",
    }  # fmt: skip


def test_a_seed_repeats_its_plan_and_another_seed_has_another():
    assert plan_kills(7) == plan_kills(7)
    assert plan_kills(7) != plan_kills(8)


def test_without_rounds_each_target_dies_once():
    plan = plan_kills(3)
    assert sorted(kill.target for kill in plan) == sorted(TARGETS)
    assert all(0.5 <= kill.moment_s <= LATEST_MOMENT_S and 0 <= kill.choice < 1 for kill in plan)


def test_more_rounds_than_targets_begin_again():
    targets = [kill.target for kill in plan_kills(3, rounds=15)]
    assert targets[13:] == targets[:2]


def test_one_component_can_be_chosen():
    assert [kill.target for kill in plan_kills(1, 2, "kafka")] == ["kafka", "kafka"]
    assert len(plan_kills(1, 0, "kafka")) == 1


def test_an_unknown_component_is_refused_with_those_there_are():
    with pytest.raises(ConfigurationError, match=r"smtpd.*kafka"):
        plan_kills(1, 1, "smtpd")


def test_a_driver_is_any_driver_and_a_component_is_itself():
    rows = [row("kafka"), row("driver:cdc-b"), row("driver:cdc-a"), row("executor:cdc-a:1")]
    assert [r.name for r in candidates(rows, "driver")] == ["driver:cdc-a", "driver:cdc-b"]
    assert [r.name for r in candidates(rows, "executor")] == ["executor:cdc-a:1"]
    assert [r.name for r in candidates(rows, "kafka")] == ["kafka"]


def test_what_comes_back_is_another_process_of_the_same_work():
    victim = row("executor:cdc-a:1", pid=10)
    assert _replaces(row("executor:cdc-a:2", pid=11), victim)
    assert not _replaces(row("executor:cdc-a:1", pid=10), victim)
    assert not _replaces(row("executor:cdc-b:1", pid=12), victim)
    assert not _replaces(row("executor:cdc-a:2", pid=11, state="starting"), victim)


def test_a_kill_is_plain_data():
    assert Kill("kafka", 1.0, 0.5) == Kill("kafka", 1.0, 0.5)


class KillerThatLooks(Killer):
    """Sees what it is told, one look after the other; the last one stays."""

    def __init__(self, tmp_path, *looks):
        self.now = 0.0
        super().__init__(LocalStack(Places(REPO, tmp_path, tmp_path)), lambda: self.now, self.wait)
        self._looks = list(looks)

    def wait(self, seconds):
        self.now += seconds

    def rows(self):
        return self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]


def test_a_component_that_is_just_starting_again_is_killed_once_it_runs(tmp_path):
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    starting, running = row("kafka", None, "backoff"), row("kafka", sleeper.pid)
    killer = KillerThatLooks(tmp_path, [starting], [starting], [running])
    assert killer.strike(Kill("kafka", 0.0, 0.0)) == running
    assert sleeper.wait(10) == -signal.SIGKILL


def test_a_component_that_never_runs_is_told(tmp_path):
    with pytest.raises(UnavailableError, match="no kafka runs that could be killed"):
        KillerThatLooks(tmp_path, [row("kafka", None, "backoff")]).strike(Kill("kafka", 0.0, 0.0))
