"""Health is judged by the age and lag of progress, with the figures, the limit and what to do."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from cdc.model.health import Level, evaluate, worst
from cdc.model.samples import (
    CheckpointSample,
    ConnectorSample,
    QuerySample,
    Sample,
    SlotSample,
    TaskSample,
    lag,
)
from cdc.spec import PoliciesSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = PoliciesSpec(max_progress_age_s=120, max_offsets_behind=100, max_checkpoint_lag=100)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


CASES: list[tuple[Sample, Level, str]] = [
    (ConnectorSample("c", NOW, "RUNNING", (TaskSample(0, "RUNNING"),)), Level.OK, "running with 1 task"),
    (ConnectorSample("c", NOW), Level.BREACH, "not registered"),
    (ConnectorSample("c", NOW, expected=False), Level.WARN, "was never registered"),
    (ConnectorSample("c", NOW, "RUNNING", ()), Level.WARN, "0 of 0 task"),
    (ConnectorSample("c", NOW, "PAUSED", (TaskSample(0, "PAUSED"),)), Level.BREACH, "is PAUSED"),
    (
        ConnectorSample("c", NOW, "RUNNING", (TaskSample(0, "FAILED", "boom: x\n\tat y"),)),
        Level.BREACH,
        "task 0 has failed: boom: x",
    ),
    (ConnectorSample("c", NOW, unreachable="refused"), Level.UNKNOWN, "could not be checked: refused"),
    (QuerySample("q", NOW, seen_at=ago(5), offsets_behind=3), Level.OK, "5 s ago, 3 events behind"),
    (QuerySample("q", NOW, seen_at=ago(121)), Level.BREACH, r"no progress for 121 s \(limit 120 s\)"),
    (QuerySample("q", NOW, seen_at=ago(5), offsets_behind=101), Level.BREACH, "101 events behind"),
    (QuerySample("q", NOW), Level.WARN, "was never launched"),
    (QuerySample("q", NOW, launched_at=ago(30)), Level.WARN, "starting for 30 s"),
    (QuerySample("q", NOW, launched_at=ago(200)), Level.WARN, "starting for 200 s"),
    (
        QuerySample("q", NOW, launched_at=ago(500)),
        Level.BREACH,
        r"since its launch for 500 s \(limit 300 s\)",
    ),
    (QuerySample("q", NOW, launched_at=ago(9), seen_at=ago(900)), Level.WARN, "starting for 9 s"),
    (QuerySample("q", NOW, wanted=False, seen_at=ago(9000)), Level.WARN, "stopped on request"),
    (
        QuerySample("q", NOW, wanted=False, seen_at=ago(9000), paused_at=ago(8000)),
        Level.WARN,
        "is paused since 2025-12-31 21:46 UTC",
    ),
    (QuerySample("q", NOW, seen_at=ago(5), parked=("t",)), Level.BREACH, "t is parked"),
    (QuerySample("q", NOW, unreachable="x"), Level.UNKNOWN, "could not be checked"),
    (CheckpointSample("q", NOW, {"t": {0: 90}}, {"t": {0: 100}}), Level.OK, "10 offsets behind"),
    (CheckpointSample("q", NOW, {"t": {0: 0}}, {"t": {0: 101}}), Level.BREACH, "101 offsets behind"),
    (
        CheckpointSample("q", NOW, {"t": {0: 0}}, {"t": {0: 101}}, paused=True),
        Level.WARN,
        "101 offsets behind Kafka; its stream is paused",
    ),
    (CheckpointSample("q", NOW, None, {"t": {0: 5}}), Level.WARN, "does not exist yet"),
    (CheckpointSample("q", NOW, None, {"t": {0: 500}}), Level.BREACH, "500 offsets behind"),
    (CheckpointSample("q", NOW, {"t": {0: 9}}, {"t": {0: 5}}), Level.BREACH, "ahead of Kafka"),
    (SlotSample("s", NOW, active=True, retained_bytes=2**20, wal_status="reserved"), Level.OK, "1.0 MB"),
    (SlotSample("s", NOW, exists=False, expected=False), Level.WARN, "was never made"),
    (SlotSample("s", NOW, active=False, retained_bytes=0), Level.WARN, "not in use"),
    (SlotSample("s", NOW, active=True, retained_bytes=2**32), Level.BREACH, "holds back 4096.0 MB"),
    (SlotSample("s", NOW, wal_status="lost"), Level.BREACH, "is lost"),
    (SlotSample("s", NOW, exists=False), Level.BREACH, "does not exist"),
    (SlotSample("s", NOW, unreachable="x"), Level.UNKNOWN, "could not be checked"),
]


@pytest.mark.parametrize(("sample", "level", "said"), CASES)
def test_each_sample_is_judged_with_its_reason(sample: Sample, level: Level, said: str) -> None:
    verdict = evaluate(sample, POLICY)
    assert verdict.level is level
    assert re.search(said, verdict.sentence), verdict.sentence
    assert verdict.healthy == (level in (Level.OK, Level.WARN))
    if level in (Level.BREACH, Level.UNKNOWN):
        assert verdict.todo, "a breach says what to do"


def test_a_breach_says_since_when() -> None:
    assert evaluate(QuerySample("q", NOW, seen_at=ago(300)), POLICY).since == ago(300)


def test_a_breach_is_spoken_of_before_a_warning() -> None:
    verdicts = tuple(evaluate(sample, POLICY) for sample, _, _ in CASES)
    first = worst(verdicts)
    assert first is not None
    assert first.level is Level.BREACH
    assert worst(()) is None


def test_lag_counts_partitions_that_were_never_committed() -> None:
    assert lag({"t": {0: 5}}, {"t": {0: 7, 1: 10}, "u": {0: 1}}) == 2 + 10 + 1
