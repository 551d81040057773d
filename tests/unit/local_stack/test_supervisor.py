"""The supervisor with tiny real processes: order, restarts, crashes, and what is not its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cdc.errors import ConfigurationError, ConflictError, UnavailableError
from local_stack.component import Command
from local_stack.context import create_context
from local_stack.contract import write_contract
from local_stack.envfile import read_env
from local_stack.holding import stop_and_hold
from local_stack.ports import PortClaims, is_free
from local_stack.stack import LocalStack
from local_stack.supervisor.daemon import Supervisor, hold_lock
from local_stack.supervisor.hold import release
from local_stack.supervisor.policy import RestartPolicy, State
from local_stack.supervisor.process import group_members, is_alive, stop_child
from local_stack.supervisor.record import read_record
from tests.unit.local_stack import toy_stack
from tests.unit.local_stack.watching import component, events, running, wait_until


def up(stack: LocalStack) -> None:
    stack.start()
    stack.wait_until_ready()


def workers(stack: LocalStack, name: str) -> list[psutil.Process]:
    leader = component(stack, name).pid
    assert leader is not None
    return [member for member in group_members(leader) if member.pid != leader]


def lives(process: psutil.Process) -> bool:
    """Whether it runs; one that nobody has reaped does not."""
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


class TestOrder:
    def test_starts_what_is_required_first_and_stops_it_last(self, stack: LocalStack) -> None:
        up(stack)
        assert [e for e in events(stack) if not e.startswith("start")] == [
            *("prepare base", "ready base", "prepare middle", "ready middle", "prepare top", "ready top"),
        ]
        assert stack.stop()
        assert events(stack)[-4:] == ["before stop", "stop top", "stop middle", "stop base"]

    def test_a_stop_while_it_starts_is_in_order_too(self, stack: LocalStack) -> None:
        stack.start()
        wait_until(lambda: "ready base" in events(stack))
        stack.stop()
        assert stack.record() is None
        assert events(stack)[-1] == "stop base"

    def test_the_contract_is_complete_before_the_first_component_starts(self, stack: LocalStack) -> None:
        ctx = stack.start()
        values = read_env(ctx.env_file)
        assert values["TOP_PORT"] == str(ctx.ports["top"])
        assert values["CDC_HOME"] == str(stack.places.home)
        connections = json.loads(ctx.connections_file.read_text())
        assert connections["toy_top"]["password"] == ctx.secrets["toy"]
        for private in (ctx.env_file, ctx.connections_file, ctx.home / "activate"):
            assert private.stat().st_mode & 0o077 == 0


class TestRestart:
    def test_a_killed_component_comes_back_and_the_log_says_so(self, stack: LocalStack) -> None:
        up(stack)
        before = component(stack, "middle")
        others = {name: component(stack, name).pid for name in ("base", "top")}
        assert before.pid is not None
        left_over = workers(stack, "middle")
        assert left_over
        os.kill(before.pid, signal.SIGKILL)
        wait_until(running(stack, "middle", restarts=1))
        assert component(stack, "middle").pid != before.pid
        assert {name: component(stack, name).pid for name in others} == others
        assert not any(lives(worker) for worker in left_over)
        assert "middle: killed by signal 9" in stack.supervisor_log.read_text()

    def test_a_component_that_is_held_down_stays_down_until_it_is_let_go(self, stack: LocalStack) -> None:
        up(stack)
        home = stack.places.home
        stop_and_hold(stack, "middle", 600)
        assert component(stack, "middle").pid is None
        wait_until(lambda: component(stack, "middle").reason.startswith("held down on request"))
        assert component(stack, "middle").restarts == 0
        assert component(stack, "top").state is State.RUNNING
        release(home, "middle")
        wait_until(running(stack, "middle", restarts=1))

    def test_a_hold_ends_by_itself_and_with_the_stack(self, stack: LocalStack) -> None:
        up(stack)
        stop_and_hold(stack, "top", 1.0)
        wait_until(running(stack, "top", restarts=1))
        stop_and_hold(stack, "top", 600)
        assert stack.stop()
        up(stack)
        assert component(stack, "top").state is State.RUNNING

    def test_what_is_no_component_cannot_be_held_down(self, stack: LocalStack) -> None:
        up(stack)
        with pytest.raises(ConfigurationError, match=r"'bottom' is no component.*base, middle, top"):
            stop_and_hold(stack, "bottom", 1.0)

    def test_a_component_that_keeps_dying_is_failed_with_its_last_line_and_tried_again(
        self, stack: LocalStack
    ) -> None:
        ctx = create_context(stack.places, toy_stack.with_flaky(), stack.env)
        write_contract(ctx, toy_stack.with_flaky())
        quick = RestartPolicy(first_delay_s=0.02, max_delay_s=0.1, failed_after=3)
        supervisor = Supervisor(ctx, toy_stack.with_flaky(), policy=quick)
        thread = threading.Thread(target=supervisor.run)
        thread.start()
        try:
            wait_until(lambda: component(stack, "flaky").state is State.FAILED)
            assert "exited with 7" in component(stack, "flaky").reason
            assert "no licence" in component(stack, "flaky").reason
            with pytest.raises(UnavailableError, match=r"flaky does not start: exited with 7.*no licence"):
                stack.wait_until_ready()
            count = component(stack, "flaky").restarts
            wait_until(lambda: component(stack, "flaky").restarts > count)
            wait_until(running(stack, "top", restarts=0))
        finally:
            supervisor.request_stop()
            thread.join(20)
        assert not thread.is_alive()


class TestPorts:
    def test_a_taken_port_is_replaced_and_the_choice_is_kept(self, stack: LocalStack) -> None:
        with socket.create_server(("127.0.0.1", 21872)):
            up(stack)
            chosen = dict(stack.context().ports)
            assert chosen["middle"] != 21872
            stack.stop()
        up(stack)
        assert dict(stack.context().ports) == chosen

    def test_stacks_that_start_at_the_same_time_have_ports_of_their_own(
        self, stack: LocalStack, tmp_path: Path
    ) -> None:
        other = replace(stack, places=replace(stack.places, home=tmp_path / "other"))
        other.places.home.mkdir()
        try:
            with ThreadPoolExecutor() as pool:
                first, second = pool.map(LocalStack.start, (stack, other))
            assert not set(first.ports.values()) & set(second.ports.values())
            for one in (stack, other):
                one.wait_until_ready()
        finally:
            other.stop()

    def test_a_port_is_a_stack_s_own_until_it_stops_though_nothing_listens_there(
        self, stack: LocalStack
    ) -> None:
        port = stack.start().ports["top"]
        wait_until(lambda: "start base" in events(stack))
        assert is_free(port)
        with PortClaims() as claims:
            assert not claims.claim(port)
        stack.stop()
        with PortClaims() as claims:
            assert claims.claim(port)


class TestStartTwice:
    def test_the_second_start_finds_the_first(self, stack: LocalStack) -> None:
        up(stack)
        first = read_record(stack.places.home)
        said: list[str] = []
        stack.start(said.append)
        assert said == ["the stack runs already"]
        assert first is not None
        assert stack.record() == first

    def test_two_starts_at_the_same_time_make_one_supervisor(self, stack: LocalStack) -> None:
        starters = [threading.Thread(target=stack.start) for _ in range(2)]
        for starter in starters:
            starter.start()
        for starter in starters:
            starter.join()
        stack.wait_until_ready()
        assert events(stack).count("start base") == 1

    def test_a_second_supervisor_refuses(self, stack: LocalStack) -> None:
        up(stack)
        with pytest.raises(ConflictError, match="already runs"):
            hold_lock(stack.places.home)

    def test_clean_refuses_while_it_runs(self, stack: LocalStack) -> None:
        up(stack)
        with pytest.raises(ConflictError, match="make down"):
            stack.clean()
        stack.stop()
        assert stack.clean()
        assert list(stack.places.home.iterdir()) == []


class TestCrashOfTheSupervisor:
    def test_components_are_told_to_stop_and_the_next_start_works(self, stack: LocalStack) -> None:
        up(stack)
        dead = stack.record()
        assert dead is not None
        os.kill(dead.pid, signal.SIGKILL)
        wait_until(lambda: not any(is_alive(c.pid, c.birth) for c in dead.components))
        assert "stop base" in events(stack)
        up(stack)
        assert stack.record() != dead

    def test_leftovers_that_ignore_it_are_ended_by_the_next_start(self, stack: LocalStack) -> None:
        up(stack)
        dead = stack.record()
        assert dead is not None
        survivors = [worker for name in ("base", "middle", "top") for worker in workers(stack, name)]
        assert len(survivors) == 3
        os.kill(dead.pid, signal.SIGKILL)
        wait_until(lambda: not any(is_alive(c.pid, c.birth) for c in dead.components))
        assert all(lives(worker) for worker in survivors)  # the signal goes to leaders only
        said: list[str] = []
        stack.start(said.append)
        assert said
        assert "base" in said[0]
        assert not any(lives(worker) for worker in survivors)

    def test_a_process_of_somebody_else_with_a_recorded_pid_is_left_alone(self, stack: LocalStack) -> None:
        up(stack)
        stack.stop()
        record = read_record(stack.places.home)
        assert record is not None
        with subprocess.Popen(
            [sys.executable, "-S", "-c", "import time; time.sleep(60)"], start_new_session=True
        ) as other:
            forged = record.components[0].model_copy(update={"pid": other.pid, "birth": "0:1"})
            path = stack.places.home / "state" / "supervisor.json"
            path.write_text(record.model_copy(update={"components": (forged,)}).model_dump_json())
            up(stack)
            assert other.poll() is None
            other.kill()


def test_a_child_that_ignores_the_signal_is_killed_with_its_group(tmp_path: Path) -> None:
    script = (
        "import signal,subprocess,sys,time; signal.signal(15, signal.SIG_IGN); "
        "subprocess.Popen([sys.executable, '-S', '-c', "
        "'import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)']); "
        "time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", script], start_new_session=True, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    members = group_members(child.pid)
    assert len(members) == 2
    stop_child(child, Command(argv=(), cwd=tmp_path, stop_timeout_s=0.3), grace_s=0.3)
    child.stdout.close()
    assert not any(lives(member) for member in members)
