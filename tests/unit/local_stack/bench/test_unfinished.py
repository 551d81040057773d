"""A long bench goes on where it was broken off, and forgets what it kept when the plan is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from local_stack.bench.steps import SHORT
from local_stack.bench.unfinished import Unfinished

STEPS = ("drain.clickhouse", "drain.warehouse", "sustained")


def test_finished_steps_are_there_for_the_next_run_of_the_same_plan(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    Unfinished(SHORT, file).keep("drain.clickhouse", {"ours": {"rows_per_s": 1}})
    again = Unfinished(SHORT, file)
    assert [again.has(step) for step in STEPS] == [True, False, False]
    assert again.details["drain"] == {"clickhouse": {"ours": {"rows_per_s": 1}}}
    assert not Unfinished(replace(SHORT, repeats=9), file).has("drain.clickhouse")


def test_a_run_of_some_steps_leaves_what_others_have_measured(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    Unfinished(SHORT, file).keep("drain.clickhouse", {})
    some = Unfinished(SHORT, file)
    some.keep("sustained", {"share": 1})
    some.forget_when_done(STEPS)
    rest = Unfinished(SHORT, file)
    assert [rest.has(step) for step in STEPS] == [True, False, True]
    rest.keep("drain.warehouse", {})
    rest.forget_when_done(STEPS)
    assert not file.exists()


def test_a_run_that_is_not_kept_writes_nothing_and_removes_nothing(tmp_path: Path) -> None:
    short = Unfinished(SHORT, None)
    for step in STEPS:
        short.keep(step, {})
    short.forget_when_done(STEPS)
    assert short.has("sustained")
    assert list(tmp_path.iterdir()) == []
