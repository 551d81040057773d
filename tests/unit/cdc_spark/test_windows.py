"""What a replay leaves in the ops store of events that did not fit."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from cdc.model.bounded_run import BoundedRun, RunKind
from cdc.spec import TableSpec
from cdc_spark import windows
from cdc_spark.job_run import JobRun
from cdc_spark.writers.summary import Summary

AT = datetime(2026, 1, 2, tzinfo=UTC)
POSITION = {"since": {"0": 0}, "until": {"0": 4}}
NUMBER = UUID(int=1)
ASKED = BoundedRun(
    NUMBER, "p", "things", RunKind.REPLAY, {}, ["a", "b"], "running", AT, AT, position=POSITION
)


class Ops:
    def __init__(self) -> None:
        self.bad: list[int] = []
        self.message = ""

    def advance_run(self, _number: UUID, _done: int, _position: object, *, bad: int = 0) -> None:
        self.bad.append(bad)

    def end_run(self, _: UUID, message: str = "") -> None:
        self.message = message


def test_events_of_a_replay_that_did_not_fit_are_counted_and_told(
    table: TableSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reread(
        _run: object, sink: Any, _generations: object, since: Any, _until: object
    ) -> dict[str, Summary]:
        bad = 1 if since.offsets["t"][0] == 0 or sink.name == "b" else 0
        return {"things": Summary(events=2, bad=bad, examples=[f"no room in {sink.name}"] * bad)}

    monkeypatch.setattr(windows, "reread_into", reread)
    monkeypatch.setattr(windows, "checked_generations", lambda *_: None)
    ops = Ops()
    pipeline = SimpleNamespace(
        topic=lambda _: "t",
        streaming=SimpleNamespace(max_offsets_per_trigger=2),
        sinks=(SimpleNamespace(name="a"), SimpleNamespace(name="b")),
    )
    run = SimpleNamespace(ops=ops, pipeline=pipeline, sinks=pipeline.sinks, kafka=None)
    windows._replay(cast("JobRun", run), table, ASKED)
    assert ops.bad == [2, 1]
    assert ops.message == "no room in a; no room in b"
