"""Parked tables in a real ops store: resumed in two steps, and by nobody while they are exchanged."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from cdc.errors import ConflictError
from cdc.model.parking import ParkedTable
from cdc.ops import OpsStore


def park(ops: OpsStore) -> ParkedTable:
    ops.park("p", "x", "warehouse", "why", {0: 10})
    return place(ops)


def place(ops: OpsStore) -> ParkedTable:
    found = ops.place_to_resume("p", "x", "warehouse")
    assert found is not None
    return found


def test_parked_again_keeps_the_earliest_offsets(ops: OpsStore) -> None:
    ops.park("p", "x", "warehouse", "first", {0: 10, 1: 4})
    ops.park("p", "x", "warehouse", "again", {0: 20, 1: 2})
    assert ops.parked("p") == [ParkedTable("x", "warehouse", "again", {0: 10, 1: 2})]
    assert ops.parked("p", "clickhouse") == []


def test_resumed_in_two_steps(ops: OpsStore) -> None:
    parked = park(ops)
    assert not ops.unpark("p", parked)
    released = ops.release("p", parked, {0: 15})
    assert released == ParkedTable("x", "warehouse", "why", {0: 15}, released=True)
    assert ops.parked("p") == [released]
    assert place(ops) == released
    assert ops.unpark("p", released)
    assert ops.place_to_resume("p", "x", "warehouse") is None
    assert ops.release("p", parked, {0: 15}) is None


def test_parked_again_while_it_is_resumed_stays_parked(ops: OpsStore) -> None:
    parked = park(ops)
    ops.park("p", "x", "warehouse", "again, and from where it was", {0: 10})
    assert ops.release("p", parked, {0: 15}) is None
    assert ops.parked("p") == [ParkedTable("x", "warehouse", "again, and from where it was", {0: 10})]

    released = ops.release("p", place(ops), {0: 15})
    assert released is not None
    ops.park("p", "x", "warehouse", "again", {0: 20})
    assert not ops.unpark("p", released)
    assert ops.parked("p") == [ParkedTable("x", "warehouse", "again", {0: 15})]


def test_a_table_that_is_to_be_exchanged_is_released_by_no_resume_that_began_before(ops: OpsStore) -> None:
    parked = park(ops)
    held = ops.hold_parked("p", parked)
    assert held == parked
    assert ops.release("p", parked, {0: 15}) is None
    advanced = ops.advance_parked("p", held, {0: 20})
    assert advanced == ParkedTable("x", "warehouse", "why", {0: 20})
    assert ops.advance_parked("p", held, {0: 20}) is None
    assert ops.release("p", advanced, {0: 25}) is not None


def test_a_table_that_was_resumed_since_is_not_held(ops: OpsStore) -> None:
    parked = park(ops)
    released = ops.release("p", parked, {0: 10})
    assert released is not None
    assert ops.hold_parked("p", parked) is None
    assert ops.unpark("p", released)
    assert ops.hold_parked("p", parked) is None
    ops.park("p", "x", "warehouse", "resumed and parked again", {0: 11})
    assert ops.hold_parked("p", parked) is None


def test_of_a_resume_and_an_exchange_that_meet_the_second_sees_the_first(ops: OpsStore, dsn: str) -> None:
    parked = park(ops)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(dsn) as first:
        first.execute("UPDATE cdc_ops.parked SET offsets = offsets WHERE sink = 'warehouse'")
        second = pool.submit(ops.release, "p", parked, {0: 15})
        with psycopg.connect(dsn, autocommit=True) as watcher:
            waits = (
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            while watcher.execute(waits).fetchone() != (1,):
                assert not second.done()
        first.commit()
        assert second.result(30) is None


def test_nobody_resumes_a_table_while_it_is_exchanged(ops: OpsStore) -> None:
    parked = park(ops)
    with ops.exchanging("p", "x"):
        for refused in (
            lambda: ops.place_to_resume("p", "x", "warehouse"),
            lambda: ops.place_to_resume("p", "x", "clickhouse"),
        ):
            with pytest.raises(ConflictError, match=r"x is being exchanged .* comes back by itself"):
                refused()
        assert ops.place_to_resume("p", "another", "warehouse") is None
    assert place(ops) == parked


def test_an_exchange_that_was_killed_is_in_nobodys_way(ops: OpsStore, dsn: str) -> None:
    parked = park(ops)
    script = (
        "import sys, time\nfrom cdc.ops import OpsStore\n"
        f"with OpsStore({dsn!r}).exchanging('p', 'x'):\n    print('held', flush=True)\n    time.sleep(600)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=env)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConflictError):
            place(ops)
        holder.kill()
    deadline = time.monotonic() + 20
    while True:
        try:
            assert place(ops) == parked
        except ConflictError:
            # PostgreSQL sees that its client is gone.
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            break
    with ops.exchanging("p", "x"):
        assert ops.hold_parked("p", parked) is not None
