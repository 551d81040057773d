"""The job's options: each bounded run is one of its own."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from cdc.services.rebuild import rebuild_arguments
from cdc_spark.cli import parse_arguments

JOB = ["--job-type", "orders"]


@pytest.mark.parametrize(
    "words",
    [
        ["--from", "earliest", "--once"],
        ["--replay-dead-letters", "--resume", "orders_fact"],
        ["--resume", "orders_fact", "--from", "earliest"],
        ["--tables", "orders_fact"],
        ["--accept-loss"],
        ["--approved", "a%20change"],
        ["--approved", "a%20change", "--resume", "a"],
        ["--repair", "no-uuid"],
        ["--repair", "6f9619ff-8b86-d011-b42d-00c04fc964ff", "--once"],
        ["--until", "latest"],
        ["--window", "6f9619ff-8b86-d011-b42d-00c04fc964ff,"],
        ["--window", "6f9619ff-8b86-d011-b42d-00c04fc964ff", "--resume", "a"],
    ],
)
def test_options_that_contradict_each_other_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_arguments([*JOB, *words])
    assert "error:" in capsys.readouterr().err


def test_a_replay_and_a_resume_are_narrowed() -> None:
    replay = parse_arguments([*JOB, "--replay-dead-letters", "--tables", "a,b", "--sinks", "warehouse"])
    assert (replay.tables, replay.sinks) == ("a,b", "warehouse")
    assert parse_arguments([*JOB, "--resume", "a", "--accept-loss"]).accept_loss


def test_a_rebuild_is_told_what_was_approved_in_letters_that_no_shell_reads() -> None:
    said = "public.t.`a`: the label '$(b)' of its enum is \"c\" now; 100 % über"
    words = rebuild_arguments("t", said)
    assert re.fullmatch(r"[\w.%~-]+", words[-1], re.ASCII)
    asked = parse_arguments([*JOB, *words])
    assert (asked.rebuild, asked.approved) == ("t", said)
    assert parse_arguments([*JOB, *rebuild_arguments("t")]).approved == ""


def test_a_window_names_runs() -> None:
    numbers = [UUID(int=1), UUID(int=2)]
    assert parse_arguments([*JOB, "--window", ",".join(map(str, numbers))]).window == numbers
